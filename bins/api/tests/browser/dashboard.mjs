// Looks at the operator's page in Chromium. Told what to do by its environment (URL, KEY, PICTURES), it says on standard output, a
// line of JSON each, what it has seen, and reads from standard input when to go on.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const { URL: home, KEY: key, PICTURES: pictures, CHROMIUM: executablePath } = process.env;
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const told = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const PATIENCE = 30_000;

const tell = (what, more = {}) => console.log(JSON.stringify({ what, at: Date.now(), ...more }));

const browser = await chromium.launch({
  executablePath,
  args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update", "--no-first-run"],
});

/** A page with a log of all that it complains of and of all that it asks for. */
async function open(options) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  const seen = { complaints: [], elsewhere: [], loads: 0 };
  page.on("console", (message) => {
    // That the form is answered with 401 is so by design.
    const refused = /status of 401/.test(message.text());
    if (message.type() === "error" && !refused) seen.complaints.push(message.text());
  });
  page.on("pageerror", (error) => seen.complaints.push(String(error)));
  page.on("request", (request) => {
    if (!request.url().startsWith(home) && !request.url().startsWith("data:")) seen.elsewhere.push(request.url());
  });
  page.on("load", () => (seen.loads += 1));
  page.setDefaultTimeout(PATIENCE);
  return { page, seen };
}

/** Faults of accessibility, each with where it is. */
async function faults(page) {
  await page.evaluate(axe);
  const found = await page.evaluate(() => window.axe.run());
  return found.violations.map(({ id, impact, nodes }) => ({ id, impact, where: nodes.map((node) => node.target.join(" ")) }));
}

async function logIn(page) {
  await page.goto(`${home}/dashboard`);
  // By keyboard alone: the field has the focus by itself.
  await page.waitForFunction(() => document.activeElement?.id === "key");
  await page.keyboard.type(key);
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.getElementById("live")?.textContent === "Live");
}

const picture = (page, name) => page.screenshot({ path: `${pictures}/${name}.png`, fullPage: true });

try {
  const { page, seen } = await open({ colorScheme: "light" });
  await page.goto(`${home}/dashboard`);
  tell("login", { faults: await faults(page) });
  await logIn(page);
  await page.waitForSelector("#nodes tr:nth-child(2)");
  tell("light", { faults: await faults(page) });
  await picture(page, "light");
  // Every place that the keyboard comes to is seen to have it.
  const stops = [];
  for (let step = 0; step < 12; step += 1) {
    await page.keyboard.press("Tab");
    stops.push(await page.evaluate(() => {
      const { activeElement: one } = document;
      return one === document.body ? "" : `${one.tagName}:${getComputedStyle(one).outlineStyle}`;
    }));
  }
  tell("keyboard", { stops: stops.filter(Boolean) });

  const { loads } = seen;
  const shows = (words) =>
    page.waitForFunction((text) => document.getElementById("main").textContent.includes(text), words, { polling: 20 });
  tell("watching");
  for await (const words of told) {
    if (words === "end") break;
    await shows(words);
    tell("shown", { words });
  }
  const changes = await page.textContent("#changes");
  tell("failover", { loads: seen.loads - loads, changes });
  await picture(page, "failover");
  tell("seen", { complaints: seen.complaints, elsewhere: seen.elsewhere });

  for (const [name, options] of [
    ["dark", { colorScheme: "dark" }],
    ["phone", { colorScheme: "light", viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true }],
  ]) {
    const { page: other, seen: there } = await open(options);
    await logIn(other);
    await other.waitForSelector("#nodes tr:nth-child(2)");
    const wider = await other.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    tell(name, { faults: await faults(other), wider, complaints: there.complaints });
    await picture(other, name);
  }
} finally {
  await browser.close();
}
