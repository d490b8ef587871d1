import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { writeSite } from "../../build/site.ts";
import { type Browser, startBrowser } from "./browser.ts";

setDefaultTimeout(120_000);

const folder = mkdtempSync(join(tmpdir(), "site-"));
let browser: Browser;
let pages: string[] = [];

beforeAll(async () => {
  pages = await writeSite(folder);
  browser = await startBrowser();
});

afterAll(async () => {
  await browser.close();
  rmSync(folder, { recursive: true, force: true });
});

const url = (page: string) => pathToFileURL(join(folder, page)).href;
const someText = ["index.html", "jailkit.7.html", "jk_init.8.html", "jk_lsh.ini.5.html"];

/** In the page: elements that are wider than the window, or that can only be read by scrolling sideways. */
const TOO_WIDE = `[...document.querySelectorAll("body *")]
  .filter((one) => one.getBoundingClientRect().right > innerWidth + 0.5 || one.scrollWidth > one.clientWidth + 1)
  .filter((one) => getComputedStyle(one).display !== "inline")
  .map((one) => one.outerHTML.slice(0, 80))`;

/** In the page: contrasts of text with what is behind it (WCAG 2, relative luminance), and sizes of letters. */
const LEGIBILITY = `(() => {
  const numbers = (colour) => (colour.match(/[0-9.]+/g) ?? []).map(Number);
  const luminance = ([r, g, b]) => {
    const linear = (value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);
    return 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  };
  const ground = (one) => {
    for (let at = one; at !== null; at = at.parentElement) {
      const colour = numbers(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const found = [...document.querySelectorAll("p, a, code, pre, dt, dd, h1, h2, h3, li, nav span, footer")];
  return found.map((one) => {
    const style = getComputedStyle(one);
    const [a, b] = [luminance(numbers(style.color)), luminance(ground(one))].sort((x, y) => y - x);
    return { what: one.tagName, contrast: (a + 0.05) / (b + 0.05), size: Number.parseFloat(style.fontSize) };
  });
})()`;

describe("the manual as HTML", () => {
  test("no page is wider than 400 pixels", async () => {
    expect(pages.length).toBeGreaterThan(20);
    for (const page of pages) {
      await browser.open(url(page), { width: 400, scheme: "light" });
      expect(await browser.evaluate("innerWidth")).toBe(400);
      const wide = await browser.evaluate(TOO_WIDE);
      const document = await browser.evaluate("document.documentElement.scrollWidth <= innerWidth");
      expect({ page, wide, document }).toEqual({ page, wide: [], document: true });
    }
  });

  test("on a wide screen lines stay short enough to be read", async () => {
    for (const page of someText) {
      await browser.open(url(page), { width: 1400, scheme: "light" });
      expect(await browser.evaluate(TOO_WIDE)).toEqual([]);
      const width = await browser.evaluate("document.querySelector('main').clientWidth");
      expect(width).toBeGreaterThan(500);
      expect(width).toBeLessThan(800);
    }
  });

  test.each(["light", "dark"] as const)("text can be read: %s", async (scheme) => {
    const grounds = new Set<unknown>();
    for (const page of someText) {
      await browser.open(url(page), { width: 400, scheme });
      grounds.add(await browser.evaluate("getComputedStyle(document.body).backgroundColor"));
      const texts = (await browser.evaluate(LEGIBILITY)) as {
        what: string;
        contrast: number;
        size: number;
      }[];
      expect(texts.length).toBeGreaterThan(20);
      expect(texts.filter(({ contrast }) => !(contrast >= 4.5))).toEqual([]);
      expect(texts.filter(({ size }) => !(size >= 13))).toEqual([]);
    }
    expect([...grounds]).toEqual([scheme === "light" ? "rgb(255, 255, 255)" : "rgb(21, 23, 26)"]);
  });

  test("links lead somewhere, and nothing is loaded from elsewhere", () => {
    for (const page of pages) {
      const html = readFileSync(join(folder, page), "utf8");
      expect(html).not.toMatch(/<script|<img|<iframe|style="|@import/);
      expect([...html.matchAll(/<link [^>]*href="([^"]*)"/g)].map(([, href]) => href)).toEqual(["site.css"]);
      for (const [, href = ""] of html.matchAll(/<a [^>]*href="([^"]*)"/g)) {
        if (href.startsWith("#")) expect(html).toContain(` id="${href.slice(1)}"`);
        else if (!href.startsWith("https://manpages.debian.org/")) {
          expect({ page, href, there: existsSync(join(folder, href)) }).toEqual({ page, href, there: true });
        }
      }
    }
    expect(readFileSync(join(folder, "site.css"), "utf8")).not.toContain("url(");
  });
});
