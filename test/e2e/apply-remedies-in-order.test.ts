/** All remedies of one run of `jailkit apply`, typed as they are printed, heal all: none moves the lines that a later one names. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { did, KEYS, linesOf, openApplyMachine } from "./apply-scene.ts";
import { typeRemedy } from "./remedies-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/customer";
const FILE = "/etc/jailkit/jails.d/one.ini";
const OTHER = "/etc/jailkit/jails.d/two.ini";
const NAMES = ["anna", "bert", "cora", "dora", "emil", "finn"];

let m: Machine;

const user = (name: string, more = "", jail = J) =>
  `[user ${name}]\njail = ${jail}\n${more}shell = /bin/bash\nauthorized_keys = ${KEYS[0]}\n`;
const declare = (more: Readonly<Record<string, string>>) => {
  const written = (name: string) => user(name, more[name]);
  m.write(OTHER, NAMES.slice(0, 2).map(written).join(""));
  m.write(
    FILE,
    `[jail ${J}]\nsections = uidbasics, basicshell\n${NAMES.slice(2).map(written).join("")}${more.all ?? ""}`,
  );
};
const sh = (line: string) => m.must(["sh", "-ec", line]);

beforeAll(async () => {
  m = await openApplyMachine();
});
afterAll(() => m?.close());

/** The remedies of a run, as its text has them. */
function printed(...options: string[]): string[] {
  const lines = m.run(["jailkit", "apply", ...options]).stderr.split("\n");
  const starts = lines.flatMap((line, index) => (line.startsWith("  remedy: ") ? [index] : []));
  return starts.map((start) => {
    const end = lines.findIndex((line, index) => index > start && !line.startsWith("    "));
    const more = lines.slice(start + 1, end).map((line) => line.slice(4));
    return [lines[start]?.slice("  remedy: ".length), ...more].join("\n");
  });
}

test.each([["--check"], []].map((options) => [options]))("so it is with %p", (options) => {
  for (const name of [...NAMES, "nora", "new"]) m.run(["userdel", name]);
  sh(`rm -rf /var/lib/jailkit ${J}`);
  declare({});
  m.must(["jailkit", "apply"]);
  sh(`usermod -d ${J}/./home/a2 -m anna; usermod -l nora cora; usermod -d ${J}/./home/d2 -m dora`);
  const more = {
    ...{ bert: "uid = 4444\n", dora: "# the home\n", emil: "home = /home/e2\n", finn: "uid = 4445\n" },
    // A jail that nobody declares.
    all: user("gina", "", "/srv/custmer"),
  };
  declare(more);
  const json = linesOf(m, ...options).summary.problems.flatMap(({ remedy }) => remedy ?? []);
  const remedies = printed(...options);
  expect([remedies.length, remedies]).toEqual([7, json]);
  expect(remedies.filter((one) => one.startsWith("write in line"))).toBeArrayOfSize(5);
  for (const remedy of remedies) typeRemedy(m, remedy);
  expect(linesOf(m)).toMatchObject({ status: 0, summary: { problems: [] } });
  expect(did(m)).toEqual([]);
  sh("userdel -r gina");
});
