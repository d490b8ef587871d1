/** What --help says about JSON is true; the rest has schemas, which docs/panels.md is compared with. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { type Documented, documentedTools } from "../../build/documented.ts";
import { type Machine, openMachine } from "../machine/machine.ts";

setDefaultTimeout(120_000);

type Fields = Record<string, unknown>;

const tools = await documentedTools();
let m: Machine;
beforeAll(async () => {
  m = await openMachine({ under: "ours" });
  m.must(["jk_init", "-j", "/srv/jail", "jk_lsh", "sftp"]);
  m.must(["jk_addjailuser", "-j", "/srv/jail", "--policy", "sftp", "test"]);
});
afterAll(() => m?.close());

/** The sentence of a page's help that begins with some words. */
function sentence(page: string, start: string): string {
  const notes = tools.find((tool: Documented) => tool.page === page)?.help.notes ?? "";
  return (notes.split(start)[1] ?? "").split(/\.(?:\s|$)/)[0] ?? "";
}

/** The names that a list in a sentence has: words before commas, without what brackets say of them. */
const listed = (text: string) =>
  text
    .replace(/ \([^)]*\)/g, "")
    .split(/, | and /)
    .map((name) => name.trim())
    .sort();

test("of jailkit explain", () => {
  const [members = "", ofSteps = ""] = sentence("jailkit-explain", "one object: ").split(", each with ");
  const words = ["jailkit", "explain", "--json", "test", "--", "sftp-server"];
  const told = JSON.parse(m.run(words).stdout) as Fields & { steps: Fields[] };
  expect(Object.keys(told).sort()).toEqual(listed(members));
  expect([...new Set(told.steps.flatMap(Object.keys))].sort()).toEqual(listed(ofSteps));
});

test("of jailkit config check", () => {
  m.write("/etc/jailkit/jk_lsh.ini", "[DEFAULT]\nexecutable = /bin/ls\n");
  const told = JSON.parse(m.run(["jailkit", "config", "check", "--json"]).stdout) as { findings: Fields[] };
  const names = listed(sentence("jailkit-config", "with the members "));
  expect([...new Set(told.findings.flatMap(Object.keys))].sort()).toEqual(names);
  expect(told).toHaveProperty("files");
  expect(told).toHaveProperty("failures");
});
