/** `jailkit apply` keeps what the declarations say, so that the same files are not checked again at each run. */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { did, linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/customer";
const FILE = "/etc/jailkit/jails.d/one.ini";
const KEPT = "/var/lib/jailkit/parsed.json";
const text = (comment: string) =>
  `[jail ${J}]\nsections = uidbasics, basicshell\n\n[user anna]\njail = ${J}\nshell = /bin/bash\ncomment = ${comment}\n`;
const CHANGED = ["planned ~ user anna: comment 'Anna' -> 'Otto'"];

let m: Machine;

const planned = () => did(m, "--check");
const annas = () => m.must(["getent", "passwd", "anna"]).stdout;

/** What nobody does: the file that apply keeps says something else than the declarations. */
function forge(): void {
  const before = m.read(KEPT);
  m.write(KEPT, before.replaceAll('"Anna"', '"Otto"'));
  expect(m.read(KEPT)).not.toBe(before);
}

beforeAll(async () => {
  m = await openApplyMachine();
});
beforeEach(() => {
  m.remove(KEPT);
  m.write(FILE, text("Anna"));
  m.must(["jailkit", "apply"]);
});
afterAll(() => m?.close());

test("it is kept, where only root can read it, and used for the same files", () => {
  expect(m.must(["stat", "-c", "%a %u", KEPT]).stdout).toBe("600 0\n");
  expect(planned()).toEqual([]);
  forge();
  expect(planned()).toEqual(CHANGED);
});

test("a run that changes nothing keeps nothing", () => {
  m.remove(KEPT);
  expect(planned()).toEqual([]);
  expect(m.exists(KEPT)).toBe(false);
});

describe("it does not count", () => {
  test("for a file with other content, of the same size and time", () => {
    m.must(["touch", "-r", FILE, "/root/time"]);
    m.write(FILE, text("Berta").replace("Berta", "Bert"));
    m.must(["touch", "-r", "/root/time", FILE]);
    expect(did(m)).toEqual(["done ~ user anna: comment 'Anna' -> 'Bert'"]);
    expect(annas()).toContain(":Bert:");
  });

  test("for the same content in a file of another name: errors name that", () => {
    forge();
    m.must(["mv", FILE, "/etc/jailkit/jails.d/two.ini"]);
    expect(planned()).toEqual([]);
    m.must(["mv", "/etc/jailkit/jails.d/two.ini", FILE]);
  });

  test.each([
    ["of another user", ["chown", "nobody", KEPT]],
    ["that others can write", ["chmod", "0620", KEPT]],
    ["that is cut off", ["truncate", "-s", "-20", KEPT]],
    ["that is empty", ["truncate", "-s", "0", KEPT]],
  ])("in a file %s", (_, command) => {
    forge();
    m.must(command);
    expect(planned()).toEqual([]);
  });

  test("behind a link", () => {
    forge();
    m.must(["mv", KEPT, "/root/parsed.json"]);
    m.must(["ln", "-s", "/root/parsed.json", KEPT]);
    expect(planned()).toEqual([]);
  });

  test("for another program, which may check otherwise", () => {
    forge();
    m.must(["cp", "-p", "/usr/sbin/jailkit", "/root/other-jailkit"]);
    m.must(["mv", "/root/other-jailkit", "/usr/sbin/jailkit"]);
    expect(planned()).toEqual([]);
  });

  test("for a file that others can write", () => {
    m.must(["chmod", "0666", FILE]);
    const { status, summary } = linesOf(m);
    expect([status, summary.problems.map(({ code }) => code)]).toEqual([1, ["config-unsafe"]]);
    m.must(["chmod", "0644", FILE]);
  });
});

test("a file with an error is reported at each run", () => {
  m.write(FILE, `${text("Anna")}nonsense = 1\n`);
  const shown = () => linesOf(m).summary.problems.map(({ message }) => message);
  expect(shown()).toEqual([expect.stringContaining(`${FILE}:8:1: `)]);
  expect(shown()).toEqual(shown());
});

test("that it cannot be kept prevents nothing", () => {
  m.remove(KEPT);
  m.mkdir(KEPT, { mode: 0o700 });
  m.write(FILE, text("Bert"));
  expect([did(m), did(m)]).toEqual([["done ~ user anna: comment 'Anna' -> 'Bert'"], []]);
  m.must(["rmdir", KEPT]);
});
