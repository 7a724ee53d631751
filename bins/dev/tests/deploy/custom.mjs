// Holds custom resources against their schemas: as TypeScript, whose compiler objects to a field that is not there, and by
// the schema itself, for values. node custom.mjs FILE
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";

const CNPG = "@kubernetes-models/cloudnative-pg";
const MONITORING = "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1";
// The type of each kind; of what no package has a schema for, the part that one has.
const KINDS = {
  Cluster: [`${CNPG}/postgresql.cnpg.io/v1/Cluster`, "Cluster"],
  ScheduledBackup: [`${CNPG}/postgresql.cnpg.io/v1/ScheduledBackup`, "ScheduledBackup"],
  PodMonitor: [`${MONITORING}/PodMonitor`, "PodMonitor"],
};
const NOT_KNOWN = ["RedisReplication"];
const STORE = [`${CNPG}/github.com/cloudnative-pg/barman-cloud/pkg/api/BarmanObjectStoreConfiguration`, "BarmanObjectStoreConfiguration"];

const resources = JSON.parse(readFileSync(process.argv[2], "utf8"));
const lines = [];
let known = 0;
for (const [index, resource] of resources.entries()) {
  if (NOT_KNOWN.includes(resource.kind)) continue;
  const isStore = resource.kind === "ObjectStore";
  const [module, name] = isStore ? STORE : (KINDS[resource.kind] ?? []);
  const part = isStore ? resource.spec.configuration : resource;
  if (!module) throw new Error(`no schema of ${resource.kind}`);
  lines.push(`import { I${name} as T${index} } from "${module}";`);
  lines.push(`export const r${index}: T${index} = ${JSON.stringify(part)};`);
  const { [name]: Model } = await import(module);
  if (Model) new Model(part).validate();
  known += 1;
}
writeFileSync("custom.ts", lines.join("\n"));
const options = ["--noEmit", "--strict", "--skipLibCheck", "--module", "nodenext", "--target", "es2022"];
try {
  execFileSync("node_modules/.bin/tsc", [...options, "custom.ts"], { encoding: "utf8" });
} catch (error) {
  console.error(error.stdout);
  process.exit(1);
}
console.log(`${known} custom resources`);
