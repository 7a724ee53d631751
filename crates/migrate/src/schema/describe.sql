-- All that a schema is made of, a row each: what it is called, and what it is. Not what an extension brings, nor who owns it.
WITH spaces AS (
    SELECT oid, nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
), relations AS (
    SELECT c.*, format('%I.%I', s.nspname, c.relname) AS name
    FROM pg_class c JOIN spaces s ON s.oid = c.relnamespace
    WHERE c.relname NOT IN ('schema_migrations', 'schema_migrations_pkey',
                            'schema_migration_steps', 'schema_migration_steps_pkey')
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
), functions AS (
    SELECT p.*, format('%I.%I(%s)', s.nspname, p.proname, pg_get_function_identity_arguments(p.oid)) AS name
    FROM pg_proc p JOIN spaces s ON s.oid = p.pronamespace
    WHERE NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
), types AS (
    SELECT t.*, format('%I.%I', s.nspname, t.typname) AS name
    FROM pg_type t JOIN spaces s ON s.oid = t.typnamespace
    WHERE t.typtype IN ('d', 'e', 'r')
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_type'::regclass AND d.objid = t.oid AND d.deptype = 'e')
)
SELECT 'schema ' || quote_ident(nspname) AS object, '' AS definition FROM spaces

UNION ALL
SELECT CASE relkind WHEN 'v' THEN 'view ' WHEN 'm' THEN 'materialized view ' WHEN 'S' THEN 'sequence '
                    WHEN 'f' THEN 'foreign table ' ELSE 'table ' END || name,
       concat_ws(', ',
           CASE relpersistence WHEN 'u' THEN 'unlogged' END,
           'options ' || array_to_string(reloptions, ' '),
           'partitioned by ' || pg_get_partkeydef(oid),
           'partition ' || pg_get_expr(relpartbound, oid),
           CASE WHEN relrowsecurity THEN 'row security' END,
           CASE WHEN relforcerowsecurity THEN 'forced row security' END,
           CASE WHEN relkind IN ('v', 'm') THEN pg_get_viewdef(oid) END,
           'granted ' || (SELECT string_agg(item::text, ' ' ORDER BY item::text) FROM unnest(relacl) AS item))
FROM relations WHERE relkind IN ('r', 'p', 'v', 'm', 'S', 'f')

UNION ALL
SELECT 'parent of table ' || r.name, string_agg(i.inhparent::regclass::text, ' ' ORDER BY i.inhseqno)
FROM relations r JOIN pg_inherits i ON i.inhrelid = r.oid WHERE r.relkind IN ('r', 'p', 'f') GROUP BY 1

UNION ALL
SELECT 'column ' || r.name || '.' || quote_ident(a.attname),
       concat_ws(' ',
           format_type(a.atttypid, a.atttypmod),
           CASE WHEN a.attcollation <> t.typcollation THEN 'collate ' || a.attcollation::regcollation END,
           CASE WHEN a.attnotnull THEN 'not null' END,
           CASE a.attidentity WHEN 'a' THEN 'identity always' WHEN 'd' THEN 'identity by default' END,
           CASE WHEN a.attgenerated = 's' THEN 'generated' WHEN d.oid IS NOT NULL THEN 'default' END,
           pg_get_expr(d.adbin, d.adrelid),
           CASE WHEN a.attstorage <> t.typstorage THEN 'storage ' || a.attstorage::text END,
           'granted ' || (SELECT string_agg(item::text, ' ' ORDER BY item::text) FROM unnest(a.attacl) AS item))
FROM relations r
JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE r.relkind IN ('r', 'p', 'v', 'm', 'f')

UNION ALL
SELECT 'constraint ' || quote_ident(c.conname) || ' on ' || coalesce(r.name, t.name), pg_get_constraintdef(c.oid)
FROM pg_constraint c
LEFT JOIN relations r ON r.oid = c.conrelid
LEFT JOIN types t ON t.oid = c.contypid
WHERE (r.oid IS NOT NULL OR t.oid IS NOT NULL) AND c.contype <> 't'

UNION ALL
SELECT 'index ' || r.name, pg_get_indexdef(r.oid) || CASE WHEN i.indisvalid THEN '' ELSE ' INVALID' END
FROM relations r JOIN pg_index i ON i.indexrelid = r.oid

UNION ALL
SELECT 'trigger ' || quote_ident(t.tgname) || ' on ' || r.name,
       pg_get_triggerdef(t.oid) || CASE WHEN t.tgenabled = 'O' THEN '' ELSE ' enabled ' || t.tgenabled::text END
FROM relations r JOIN pg_trigger t ON t.tgrelid = r.oid WHERE NOT t.tgisinternal

UNION ALL
SELECT 'rule ' || quote_ident(u.rulename) || ' on ' || r.name, pg_get_ruledef(u.oid)
FROM relations r JOIN pg_rewrite u ON u.ev_class = r.oid WHERE u.rulename <> '_RETURN'

UNION ALL
SELECT 'policy ' || quote_ident(p.polname) || ' on ' || r.name,
       concat_ws(' ', p.polcmd::text, CASE WHEN p.polpermissive THEN 'permissive' ELSE 'restrictive' END,
                 (SELECT string_agg(role::regrole::text, ' ' ORDER BY role::regrole::text) FROM unnest(p.polroles) AS role),
                 'using ' || pg_get_expr(p.polqual, p.polrelid), 'check ' || pg_get_expr(p.polwithcheck, p.polrelid))
FROM relations r JOIN pg_policy p ON p.polrelid = r.oid

UNION ALL
SELECT 'values of sequence ' || r.name,
       format('%s from %s by %s between %s and %s cache %s%s', format_type(s.seqtypid, NULL), s.seqstart, s.seqincrement,
              s.seqmin, s.seqmax, s.seqcache, CASE WHEN s.seqcycle THEN ' cycle' ELSE '' END)
FROM relations r JOIN pg_sequence s ON s.seqrelid = r.oid

UNION ALL
SELECT 'function ' || name,
       CASE WHEN prokind = 'a' THEN 'aggregate' ELSE pg_get_functiondef(oid) END
       || coalesce(' granted ' || (SELECT string_agg(item::text, ' ' ORDER BY item::text) FROM unnest(proacl) AS item), '')
FROM functions

UNION ALL
SELECT CASE typtype WHEN 'd' THEN 'domain ' WHEN 'e' THEN 'enum ' ELSE 'range ' END || name,
       concat_ws(' ',
           CASE WHEN typtype = 'd' THEN format_type(typbasetype, typtypmod) END,
           CASE WHEN typnotnull THEN 'not null' END,
           'default ' || typdefault,
           (SELECT string_agg(quote_literal(enumlabel), ' ' ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = types.oid),
           (SELECT format_type(rngsubtype, NULL) FROM pg_range WHERE rngtypid = types.oid))
FROM types

UNION ALL
SELECT 'text search configuration ' || format('%I.%I', s.nspname, c.cfgname),
       concat_ws(' ', p.prsname,
           (SELECT string_agg(format('%s %s %s', m.maptokentype, m.mapseqno, m.mapdict::regdictionary), ', '
                              ORDER BY m.maptokentype, m.mapseqno)
            FROM pg_ts_config_map m WHERE m.mapcfg = c.oid))
FROM pg_ts_config c JOIN spaces s ON s.oid = c.cfgnamespace JOIN pg_ts_parser p ON p.oid = c.cfgparser
WHERE NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_ts_config'::regclass AND d.objid = c.oid AND d.deptype = 'e')

UNION ALL
SELECT 'statistics ' || format('%I.%I', s.nspname, x.stxname), pg_get_statisticsobjdef(x.oid)
FROM pg_statistic_ext x JOIN spaces s ON s.oid = x.stxnamespace

UNION ALL
SELECT 'extension ' || quote_ident(extname), 'in schema ' || extnamespace::regnamespace::text
FROM pg_extension WHERE extname <> 'plpgsql'
ORDER BY 1
