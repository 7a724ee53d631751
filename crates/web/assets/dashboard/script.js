// The operator's page: takes the documents that come from /dashboard/events, and shows the last one.
"use strict";

const SVG = "http://www.w3.org/2000/svg";
// Rates are over this long; the lines show as many of them as there are points.
const RATE_SECONDS = 5;
const POINTS = 120;
// Older than that, what is shown is said to be old.
const OLD_MS = 3000;

const $ = (id) => document.getElementById(id);

/** Writes only what has changed, so that nothing is read out or deselected without need. */
function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function paint(element, kind) {
  for (const one of ["good", "warn", "bad"]) element.classList.toggle(one, one === kind);
}

/** As many children as there are items, each shown by `show`. */
function each(parent, items, make, show) {
  while (parent.children.length > items.length) parent.lastElementChild.remove();
  while (parent.children.length < items.length) parent.append(make());
  items.forEach((item, index) => show(parent.children[index], item));
}

/** Rows of a table; a cell is a text, or a function that shows itself in the cell. The first is the row's header. `looks` are the
 * classes of cells, by number. */
function rows(id, items, cells, looks = {}) {
  each($(id), items, () => document.createElement("tr"), (row, item) => {
    const texts = cells(item);
    while (row.children.length < texts.length) {
      const cell = document.createElement(row.children.length ? "td" : "th");
      if (!row.children.length) cell.scope = "row";
      cell.className = looks[row.children.length] ?? "";
      row.append(cell);
    }
    texts.forEach((text, index) => {
      const cell = row.children[index];
      if (typeof text === "function") text(cell);
      else say(cell, text);
    });
  });
}

/** A share of a whole, as a bar and in words. */
const share = (part, whole, words, name) => (cell) => {
  if (!cell.firstElementChild) cell.append(document.createElement("meter"), " ", document.createElement("span"));
  const [meter, text] = cell.children;
  meter.max = Math.max(whole, 1);
  meter.value = part;
  meter.setAttribute("aria-label", name);
  say(text, words);
};

const badge = (text, kind) => (cell) => {
  if (!cell.firstElementChild) cell.append(document.createElement("span"));
  const one = cell.firstElementChild;
  one.classList.add("badge");
  paint(one, kind);
  say(one, text);
};

const count = (number) => number.toLocaleString("en");
const rate = (number) => (number < 10 ? number.toFixed(1) : count(Math.round(number)));
const percent = (part, whole) => (whole ? `${Math.round((100 * part) / whole)} %` : "–");
const time = (at) => new Date(at).toLocaleTimeString("en-GB");
const milliseconds = (ms) => (ms == null ? "–" : ms < 10 ? `${ms.toFixed(2)} ms` : `${Math.round(ms)} ms`);
const megabytes = (bytes) => `${Math.round(bytes / 1048576)} MB`;

function bytes(number) {
  if (number == null) return "–";
  const units = ["B", "kB", "MB", "GB"];
  let unit = 0;
  while (number >= 1024 && unit < units.length - 1) {
    number /= 1024;
    unit += 1;
  }
  return `${unit ? number.toFixed(1) : number} ${units[unit]}`;
}

function lag(node) {
  if (node.lag_seconds == null) return "–";
  return `${node.lag_seconds.toFixed(1)} s, ${bytes(node.lag_bytes)}`;
}

function kindOf(node) {
  if (node.state === "up" && node.breaker === "closed") return "good";
  return node.state === "lagging" || node.state === "up" ? "warn" : "bad";
}

const KINDS = { healthy: "good", degraded: "warn", unhealthy: "bad" };
const nameOf = (node) => `${node.host}:${node.port}`;

// The picture of who is who.

function element(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

const BOX = { width: 210, height: 64 };

function box(x, y, kind, lines) {
  const group = element("g", {});
  group.append(element("rect", { x, y, width: BOX.width, height: BOX.height, rx: 8, class: kind }));
  lines.forEach((line, index) => {
    const look = index ? "small" : "name";
    group.append(element("text", { x: x + 12, y: y + 20 + 18 * index, class: look }, line));
  });
  return group;
}

/** From the right edge of one box to the left edge of another; in a column, along the left side. */
function arrow(from, to, kind, narrow) {
  const middle = BOX.height / 2;
  if (narrow) {
    const x = from.x - 10;
    return element("path", { class: kind, d: `M${from.x} ${from.y + middle}H${x}V${to.y + middle}H${to.x}` });
  }
  const [x1, y1, x2, y2] = [from.x + BOX.width, from.y + middle, to.x, to.y + middle];
  const bend = (x1 + x2) / 2;
  return element("path", { class: kind, d: `M${x1} ${y1}C${bend} ${y1} ${bend} ${y2} ${x2} ${y2}` });
}

let drawn = "";

function draw(picture) {
  const svg = $("topology");
  const width = Math.max(svg.clientWidth, 260);
  const narrow = width < 2 * BOX.width + 120;
  const { nodes } = picture.database;
  const cache = picture.health.checks.cache;
  const says = nodes.map((node) => {
    const behind = node.lag_seconds == null ? "" : `, lag ${lag(node)}`;
    return `${nameOf(node)} is ${node.role}, ${node.state}, breaker ${node.breaker}${behind}`;
  });
  const key = JSON.stringify([width, says, cache]);
  if (key === drawn) return;
  drawn = key;
  const left = narrow ? 16 : 8;
  const step = BOX.height + 18;
  const right = narrow ? left : width - BOX.width - 8;
  const top = narrow ? step + (cache ? step : 0) : 0;
  const service = { x: left, y: narrow ? 8 : 8 };
  const redis = { x: left, y: service.y + step };
  const places = nodes.map((_, index) => ({ x: right, y: top + 8 + index * step }));
  const height = Math.max(8 + 2 * step, ...places.map((place) => place.y + step));
  const title = element("title", { id: "topology-says" }, `This service and its database: ${says.join("; ")}`);
  const parts = [title];
  nodes.forEach((node, index) => {
    const used = kindOf(node) === "good";
    const kind = !used ? "none" : node.role === "primary" ? "writes" : "reads";
    parts.push(arrow(service, places[index], kind, narrow));
  });
  parts.push(box(service.x, service.y, KINDS[picture.health.status], ["This service", picture.health.status, `version ${picture.health.version}`]));
  if (cache) {
    const tiers = cache.details.tiers === "memory" ? "memory alone" : `Redis ${cache.details.version ?? ""}`;
    parts.push(box(redis.x, redis.y, KINDS[cache.status], ["Cache", tiers, cache.status]));
  }
  nodes.forEach((node, index) => {
    const { x, y } = places[index];
    const breaker = node.breaker === "closed" ? "" : `, breaker ${node.breaker}`;
    const third = node.role === "replica" ? `lag ${lag(node)}` : `timeline ${node.timeline ?? "not known"}`;
    parts.push(box(x, y, kindOf(node), [nameOf(node), `${node.role}, ${node.state}${breaker}`, third]));
  });
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("height", height);
  svg.replaceChildren(...parts);
}

// Rates, of counts at two times.

const history = [];
const lines = { reads: [], writes: [], failures: [], shed: [] };

function countsOf(picture) {
  const { reads, writes, errors, shed } = picture.traffic;
  return { at: Date.parse(picture.at), reads, writes, failures: errors, shed, ...picture.served_from };
}

/** The rates of the last seconds, by name; null before there are two counts. */
function rates(picture) {
  const now = countsOf(picture);
  // A process that began anew counts from zero.
  if (history.length && now.reads < history.at(-1).reads) history.length = 0;
  history.push(now);
  while (history.length > 2 && now.at - history[1].at >= RATE_SECONDS * 1000) history.shift();
  const seconds = (now.at - history[0].at) / 1000;
  if (seconds <= 0) return null;
  return Object.fromEntries(Object.keys(now).map((name) => [name, (now[name] - history[0][name]) / seconds]));
}

function line(id, values) {
  const most = Math.max(...values, 1);
  const points = values.map((value, index) => `${index},${(30 - (28 * value) / most).toFixed(1)}`);
  const svg = $(id);
  svg.setAttribute("viewBox", `0 0 ${POINTS - 1} 32`);
  svg.setAttribute("preserveAspectRatio", "none");
  if (!svg.firstElementChild) svg.append(element("path", {}));
  svg.firstElementChild.setAttribute("d", points.length > 1 ? `M${points.join("L")}` : "");
}

function showRates(picture) {
  const now = rates(picture);
  if (!now) return;
  for (const [name, values] of Object.entries(lines)) {
    say($(name), rate(now[name]));
    values.push(now[name]);
    if (values.length > POINTS) values.shift();
    line(`${name}-line`, values);
  }
  const names = { memory: "memory", redis: "Redis", replica: "a replica", primary: "the primary", stale: "copies marked stale" };
  const all = Object.keys(names).reduce((sum, name) => sum + now[name], 0);
  rows("served", Object.keys(names), (name) => [
    names[name],
    rate(now[name]),
    share(now[name], all, percent(now[name], all), `Share of ${names[name]}`),
  ], { 1: "number" });
}

// The rest.

function showAlerts(alerts) {
  each($("alerts"), alerts, () => document.createElement("li"), (item, alert) => {
    paint(item, alert.severity === "page" ? "bad" : "warn");
    say(item, `${alert.severity === "page" ? "Now" : "Soon"}: ${alert.summary} (${alert.name}, since ${time(alert.since)})`);
  });
  $("no-alerts").hidden = alerts.length > 0;
}

function showState(health) {
  paint($("status"), KINDS[health.status]);
  say($("status"), health.status);
  const reasons = Object.entries(health.checks).filter(([, check]) => check.reason);
  say($("why"), reasons.map(([name, check]) => `${name}: ${check.reason}`).join("; "));
}

/** A time span in its two largest units, or one. */
function span(seconds) {
  if (seconds == null) return "–";
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

function showBackups(backups) {
  const kinds = { healthy: "good", degraded: "bad" };
  paint($("backups-status"), kinds[backups.status]);
  say($("backups-status"), backups.status);
  say($("backup-age"), span(backups.last_backup?.age_seconds));
  say($("drill-age"), span(backups.last_drill?.age_seconds));
  say($("recovery-point"), span(backups.recovery_point_seconds));
  say($("recovery-time"), span(backups.recovery_time_seconds));
  const failing = backups.failing.map((run) => `${run.action} failed, ${time(run.started_at)}: ${run.error}`);
  if (backups.archive_failing) failing.unshift("The primary's log is not archived: what is written now would be lost with it");
  each($("backups-failing"), failing, () => document.createElement("li"), (item, text) => {
    paint(item, "bad");
    say(item, text);
  });
  if (backups.status === "unknown") return;
  const { last_backup: last, scheduler_age_seconds: beat, archive_age_seconds: archived } = backups;
  const name = last?.label == null ? "" : ` ${last.label}`;
  const label = last ? `Last backup${name} (${last.action}, ${span(last.seconds)}). ` : "";
  const scheduler = beat == null ? "No schedule is kept. " : `The schedule was last kept ${span(beat)} ago. `;
  say($("backups-says"), `${label}${scheduler}${archived == null ? "No log was archived yet" : `Log archived ${span(archived)} ago`}, as of ${time(backups.looked_at)}.`);
}

function show(picture) {
  showState(picture.health);
  showAlerts(picture.alerts);
  draw(picture);
  rows("nodes", picture.database.nodes, (node) => [
    nameOf(node),
    node.role,
    badge(node.state, kindOf(node)),
    badge(node.breaker.replace("_", "-"), node.breaker === "closed" ? "good" : "bad"),
    lag(node),
    milliseconds(node.response_time_ms),
    share(node.pool.in_use, node.pool.max, `${node.pool.in_use} of ${node.pool.max}${node.pool.waiting ? `, ${node.pool.waiting} wait` : ""}`, `Connections to ${nameOf(node)} in use`),
    node.last_error ?? "",
  ], { 4: "number", 5: "number", 7: "text" });
  showRates(picture);
  rows("latency", picture.latency, (one) => [
    one.of,
    count(one.count),
    milliseconds(one.p50_ms),
    milliseconds(one.p95_ms),
    milliseconds(one.p99_ms),
  ], { 1: "number", 2: "number", 3: "number", 4: "number" });
  rows("cache", picture.cache, (tier) => [
    tier.tier,
    count(tier.lookups),
    share(tier.hits, tier.lookups, percent(tier.hits, tier.lookups), `Hits of ${tier.tier}`),
  ], { 1: "number" });
  showBackups(picture.backups);
  rows("errors", picture.errors, (error) => [
    error.code,
    count(error.count),
    time(error.last_seen),
    error.sample,
    error.request_id ?? "",
  ], { 1: "number", 3: "text", 4: "text" });
  $("no-errors").hidden = picture.errors.length > 0;
  each($("changes"), picture.changes, () => document.createElement("li"), (item, change) => {
    const from = change.from ? `${change.from} → ` : "";
    const reason = change.reason ? ` (${change.reason})` : "";
    say(item, `${time(change.at)}  ${change.subject}: ${from}${change.to}${reason}`);
  });
  $("no-changes").hidden = picture.changes.length > 0;
  const { resident_memory_bytes: memory, cpu_seconds: cpu, open_files: open, max_open_files: most } = picture.process;
  const hours = (picture.health.uptime_seconds / 3600).toFixed(1);
  say($("process"), `This process: ${hours} h up, ${memory == null ? "–" : megabytes(memory)} resident, ${Math.round(cpu ?? 0)} s of CPU, ${open ?? "–"} of ${most ?? "–"} files open.`);
}

let last = null;
let heard = 0;

function tellAge() {
  const live = $("live");
  if (!last) return;
  const old = Date.now() - heard > OLD_MS;
  paint(live, old ? "bad" : "");
  say(live, old ? `Not live: these figures are of ${time(last.at)}. Trying again.` : "Live");
}

function listen() {
  const source = new EventSource("/dashboard/events");
  source.onmessage = (event) => {
    last = JSON.parse(event.data);
    heard = Date.now();
    show(last);
    tellAge();
  };
  source.onerror = () => {
    tellAge();
    // Refused rather than interrupted: the pass may have ended, which the page itself tells.
    if (source.readyState === EventSource.CLOSED) setTimeout(again, 2000);
  };
}

async function again() {
  try {
    const answer = await fetch("/dashboard", { method: "HEAD", redirect: "manual" });
    if (answer.status === 401) return location.reload();
  } catch {
    // Nobody answers: as before.
  }
  listen();
}

setInterval(tellAge, 1000);
addEventListener("resize", () => last && draw(last));
listen();
