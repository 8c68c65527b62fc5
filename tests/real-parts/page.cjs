// Pages in a real browser: nothing overflows, nothing is loaded, nothing is hard to reach.
//
// page.cjs DIR CHROMIUM SHOTS PAGE...: for each page at 390 and 1440 pixels, light, dark and with scripts off.

const [, , modules, chromium, shots, ...pages] = process.argv;
const { createRequire } = require("node:module");
const fs = require("node:fs");
const path = require("node:path");
const from = createRequire(path.join(modules, "package.json"));
const puppeteer = from("puppeteer-core");
const axe = fs.readFileSync(from.resolve("axe-core/axe.min.js"), "utf8");

const WIDTHS = [390, 1440];
const SERIOUS = ["serious", "critical"];

// What is wider than the window outside of what scrolls by itself.
const overflow = () => {
  const out = [];
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > width) out.push(`the page is ${document.documentElement.scrollWidth} wide`);
  for (const element of document.body.querySelectorAll("*")) {
    if (element.closest(".scroll *, figure *")) continue;
    const box = element.getBoundingClientRect();
    if (box.width > 0 && (box.right > width + 1 || box.left < -1)) out.push(`${element.tagName} ${element.className} to ${box.right}`);
  }
  return out;
};

const sorted = () => {
  const table = document.querySelector("table[data-sort]");
  if (!table) return null;
  const head = [...table.tHead.rows[0].cells].find((cell) => cell.classList.contains("n") && cell.querySelector("button"));
  if (!head) return "a number column has no button";
  const column = head.cellIndex;
  const before = table.tBodies[0].rows.length;
  head.querySelector("button").click();
  const values = [...table.tBodies[0].rows].map((row) => row.cells[column].dataset.v).filter((v) => v !== undefined).map(Number);
  if (table.tBodies[0].rows.length !== before) return "rows were lost";
  if (head.getAttribute("aria-sort") !== "ascending") return "aria-sort is not set";
  return values.every((v, i) => i === 0 || values[i - 1] <= v) ? null : `not in order: ${values}`;
};

(async () => {
  const browser = await puppeteer.launch({
    executablePath: chromium,
    headless: true,
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
  const problems = [];
  let rules = 0;
  for (const file of pages) {
    const name = path.basename(file, ".html");
    const say = (text) => problems.push(`${name}: ${text}`);
    if (fs.statSync(file).size > 400 * 1024) say(`${fs.statSync(file).size} bytes`);
    for (const scheme of ["light", "dark"]) {
      for (const width of WIDTHS) {
        const tab = await browser.newPage();
        await tab.setViewport({ width, height: 1000 });
        await tab.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
        tab.on("request", (request) => {
          const url = request.url();
          if (url !== `file://${file}` && !url.startsWith("data:")) say(`asks for ${url}`);
        });
        tab.on("console", (message) => {
          if (["error", "warn"].includes(message.type())) say(`console: ${message.text()}`);
        });
        tab.on("pageerror", (error) => say(`script: ${error.message}`));
        await tab.goto(`file://${file}`, { waitUntil: "load" });
        for (const text of await tab.evaluate(overflow)) say(`${scheme}, ${width} pixels: ${text}`);
        await tab.screenshot({ path: path.join(shots, `${name}-${scheme}-${width}.png`), fullPage: true });
        await tab.close();
        // A second tab for the checker: the page allows no script but its own.
        const judged = await browser.newPage();
        await judged.setBypassCSP(true);
        await judged.setViewport({ width, height: 1000 });
        await judged.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
        await judged.goto(`file://${file}`, { waitUntil: "load" });
        await judged.evaluate(axe);
        const result = await judged.evaluate(() => globalThis.axe.run());
        rules = Math.max(rules, result.passes.length);
        for (const found of result.violations.filter((v) => SERIOUS.includes(v.impact))) {
          say(`axe ${found.id} (${found.impact}, ${scheme}, ${width}): ${found.help}: ${found.nodes[0].html.slice(0, 200)}`);
        }
        const wrong = await judged.evaluate(sorted);
        if (wrong) say(`sorting: ${wrong}`);
        await judged.close();
      }
    }
    // Without scripts the tables stand as they are.
    const plain = await browser.newPage();
    await plain.setJavaScriptEnabled(false);
    await plain.setViewport({ width: 1440, height: 1000 });
    await plain.goto(`file://${file}`, { waitUntil: "load" });
    if ((await plain.$$("thead button")).length > 0 || (await plain.$$("tbody tr")).length === 0) say("without scripts the tables differ");
    await plain.pdf({ path: path.join(shots, `${name}.pdf`), format: "A4", printBackground: true });
    await plain.close();
  }
  await browser.close();
  if (rules < 10) problems.push(`axe looked at ${rules} rules only`);
  for (const text of new Set(problems)) console.log(text);
  console.log(`real parts: ${pages.length} pages at ${WIDTHS.join(" and ")} pixels, light and dark, ${rules} axe rules passed`);
  process.exit(problems.length > 0 ? 1 : 0);
})();
