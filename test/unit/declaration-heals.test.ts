/** The remedies of a declaration with a mistake in it, one after another, end in what was meant, and throw nothing away. */
import { describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { toBytes } from "../../ffi/bytes.ts";
import { fixText, itemChanges } from "../../src/config/fixes.ts";
import { scanIni } from "../../src/config/scan.ts";
import { declarationIn } from "../../src/declaration/read.ts";

const FILE = "/etc/jailkit/jails.d/own.ini";
const MOST = 20;

function problemsIn(text: string) {
  const ini = scanIni(toBytes(text), FILE, "plain");
  const { problems } = declarationIn(ini);
  const items = itemChanges(problems);
  return problems.map((one) => ({ ...one, remedy: fixText(one, { ...ini, items }) }));
}

/** The text after a remedy was typed. */
function afterRemedy(text: string, remedy: string): string {
  const [, number, lines = ""] = /^write in line (\d+) of [^\n]*:\n([\s\S]*)$/.exec(remedy) ?? [];
  if (number !== undefined)
    return text
      .split("\n")
      .with(Number(number) - 1, lines)
      .join("\n");
  const [, expression] = /^sed -i '([^']*)' /.exec(remedy) ?? [];
  if (expression === undefined) throw new Error(`cannot type ${remedy}`);
  return spawnSync("/usr/bin/sed", [expression], { input: text, encoding: "latin1" }).stdout;
}

/** What is left when each remedy was typed, the first one of the file each time: the text, and the problems without one. */
function healed(text: string): { text: string; left: string[] } {
  for (let count = 0; count < MOST; count++) {
    const problems = problemsIn(text);
    const remedy = problems.find((one) => one.remedy !== undefined)?.remedy;
    if (remedy === undefined) return { text, left: problems.map(({ line, code }) => `${line} ${code}`) };
    text = afterRemedy(text, remedy);
  }
  throw new Error(`no end of the remedies: ${text}`);
}

const JAIL = "[jail /srv/t]\nsections = uidbasics\n";
const user = (name: string, more = "") => `[user ${name}]\njail = /srv/t\nshell = /bin/bash\n${more}`;

describe("a header without its brackets", () => {
  const before = `${JAIL}${user("ta", "groups = jailed\n")}`;
  const headers: [string, string][] = [
    ...["user tb]", "user tb", "(user tb)", "{user tb}", "User tb]", "usr tb]", "user: tb", "users tb"],
    ...["[user tb", "[user tb)", "[[user tb]]", "[user tb]]", "  [user tb]", "  user tb]", "  [user tb"],
    ...['"[user tb]"', "- [user tb]", "[usr tb", "[ user tb ]", "[user  tb]"],
  ].map((line) => [line, "[user tb]"]);
  headers.push(
    ["user tb] # the second", "[user tb]\n# the second"],
    ["[user tb] # the second", "[user tb]\n# the second"],
    ["[user tb]# the second", "[user tb]\n# the second"],
    ["[user tb] uid = 2001", "[user tb]\nuid = 2001"],
  );
  test.each(headers)("%s", (line, header) => {
    const meant = user("tb").replace("[user tb]", header);
    const written = user("tb").replace("[user tb]", line);
    expect(healed(before + written)).toEqual({ text: before + meant, left: [] });
    // The first line of the file, too: there is no value that it could go on with.
    const first = healed(written + before);
    expect({ ...first, text: first.text.trimStart() }).toEqual({ text: meant + before, left: [] });
  });

  test.each([
    "jail /srv/u]",
    "jail /srv/u",
    "(jail /srv/u)",
    "jail: /srv/u",
    "[jail /srv/u",
    "[jail/srv/u]",
    "[/srv/u",
  ])("%s", (line) => {
    const after = "sections = uidbasics\nlive = /usr\n";
    expect(healed(`${before}${line}\n${after}`)).toEqual({
      text: `${before}[jail /srv/u]\n${after}`,
      left: [],
    });
    expect(healed(`${line}\n${after}${before}`).text).toBe(`[jail /srv/u]\n${after}${before}`);
  });
});

test("the word jail and a path are the key of a user who has none yet", () => {
  for (const line of ["jail /srv/t", "jail: /srv/t"])
    expect(healed(`${JAIL}[user ta]\n${line}\nshell = /bin/bash\n`)).toEqual({
      text: `${JAIL}${user("ta")}`,
      left: [],
    });
});

describe("nobody but who wrote it knows what is to be done with", () => {
  test.each<[string, string, string[]]>([
    ["[DEFAULT]", "[DEFAULT]\njail = /srv/t\n", ["1 unknown-section"]],
    ["[DEFAULT] of other keys", "[DEFAULT]\nconfine = require\n", ["1 unknown-section"]],
    ["a header without a name", "[]\njail = /srv/t\nshell = /bin/bash\n", ["1 bad-header"]],
  ])("%s", (_what, text, left) => {
    expect(healed(text)).toEqual({ text, left });
  });
});
