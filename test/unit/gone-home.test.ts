import { afterEach, beforeEach, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { closeGone, emptyGone, gonePath, putBackGone, takeAway } from "../../src/jail/fs/gone-home.ts";
import { removeLeftCopy } from "../../src/jail/fs/home-copy.ts";
import { codeOf, makeJail, messageOf, seen, type TestJail } from "./jail-helper.ts";

let jail: TestJail;
beforeEach(() => {
  jail = makeJail();
  mkdirSync(at("/homes/eve/work"), { recursive: true });
  writeFileSync(at("/homes/eve/work/file"), "mine");
});
afterEach(() => {
  jail.close();
});

const at = (path: string) => jail.path + path;
const EVE = "/homes/eve";
const names = () => readdirSync(at("/homes"));

/** Takes the home away; the name of its directory has been told before that was there. */
function taken() {
  const named: string[] = [];
  const gone = takeAway(jail.root, EVE, seen(jail.root, EVE), (path) => {
    expect(existsSync(path)).toBe(false);
    named.push(path);
  });
  if (gone === undefined) throw new Error("it is in its place");
  expect(named).toEqual([jail.path + gone.box.path]);
  return gone;
}

test("it is taken away whole, and put back whole", () => {
  const gone = taken();
  expect(names()).toEqual([expect.stringMatching(/^\.jk-gone-[\w-]{12}$/)]);
  expect(readFileSync(at(`${gonePath(gone)}/work/file`), "latin1")).toBe("mine");
  putBackGone(gone);
  closeGone(gone);
  expect([names(), readFileSync(at(`${EVE}/work/file`), "latin1")]).toEqual([["eve"], "mine"]);
});

test("it is emptied there", () => {
  const gone = taken();
  emptyGone(gone, {});
  closeGone(gone);
  expect(names()).toEqual([]);
});

test("no other run removes it as long as it is locked", () => {
  const gone = taken();
  expect(removeLeftCopy(jail.root, gone.box.path)).toBe(false);
  expect(existsSync(at(`${gonePath(gone)}/work/file`))).toBe(true);
  closeGone(gone);
  expect(removeLeftCopy(jail.root, gone.box.path)).toBe(true);
  expect(names()).toEqual([]);
});

test("what has its name meanwhile stays, and so does the home, under another one", () => {
  const gone = taken();
  mkdirSync(at(`${EVE}/new`), { recursive: true });
  const message = messageOf(() => putBackGone(gone));
  closeGone(gone);
  const [kept = "none"] = names().filter((name) => name !== "eve");
  expect(kept).toMatch(/^\.jk-[\w-]{12}$/);
  expect(message).toBe(
    `'${at(EVE)}' exists again, and the home that was there is in '${at(`/homes/${kept}`)}': compare the two`,
  );
  expect(readFileSync(at(`/homes/${kept}/work/file`), "latin1")).toBe("mine");
});

test("another one than was seen is put back", () => {
  const other = seen(jail.root, "/etc");
  expect(codeOf(() => takeAway(jail.root, EVE, other, () => undefined))).toBe("exchanged");
  expect(names()).toEqual(["eve"]);
});

test("below a directory that others can write it stays in its place", () => {
  chmodSync(at("/homes"), 0o777);
  const named: string[] = [];
  expect(takeAway(jail.root, EVE, seen(jail.root, EVE), (path) => void named.push(path))).toBeUndefined();
  expect([named, names()]).toEqual([[], ["eve"]]);
});
