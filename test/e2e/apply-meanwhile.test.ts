/** `jailkit apply --prune` while somebody writes the declarations: what is declared stays. */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/a";
const D = "/etc/jailkit/jails.d";
const FILE = `${D}/z1.ini`;
const OTHERS = 300;
const declared = `[jail ${J}]\nsections = uidbasics, basicshell\n\n[user anna]\njail = ${J}\nshell = /bin/bash\n`;

let m: Machine;
beforeAll(async () => {
  m = await openApplyMachine();
  for (let one = 0; one < OTHERS; one++) m.write(`${D}/a${one}.ini`, "# nothing\n");
});
beforeEach(() => {
  m.write(FILE, declared);
  m.must(["jailkit", "apply"]);
});
afterAll(() => m?.close());

describe("a declaration stays one while", () => {
  test.each([
    [
      "it is renamed again and again",
      `rename "$d/z1.ini", "$d/zz.ini"; pause; rename "$d/zz.ini", "$d/z1.ini"; pause`,
    ],
    [
      "an editor puts the old file aside, and writes a new one",
      `rename "$d/z1.ini", "$d/z1.ini~"; put("$d/z1.ini", $text); unlink "$d/z1.ini~"; pause`,
    ],
    [
      "other files come and go",
      `unlink "$d/a$_.ini" for 100 .. 299; put("$d/a$_.ini", "# nothing\\n") for 100 .. 299`,
    ],
  ])("%s", async (_, work) => {
    const lines = [
      `my ($d, $text) = ("${D}", ${JSON.stringify(declared)})`,
      "sub pause { select undef, undef, undef, 0.002 }",
      "sub put { open my $f, '>', $_[0]; print $f $_[1]; close $f }",
      `$| = 1; print 'begun'; $SIG{USR1} = sub { $end = 1 }; until ($end) { ${work} }`,
    ];
    const writer = m.start(["perl", "-e", lines.join(";\n")]);
    await writer.until(({ stdout }) => (stdout === "begun" ? true : undefined));
    const seen = new Set<unknown>();
    for (let run = 0; run < 8; run++) {
      const { changes, summary } = linesOf(m, "--check", "--prune", "--delete-homes");
      for (const { text } of changes) seen.add(text);
      for (const { code } of summary.problems) seen.add(code);
    }
    writer.kill("SIGUSR1");
    await writer.ended;
    // It may change all the time.
    seen.delete("files-change");
    expect([...seen]).toEqual([]);
    expect(linesOf(m, "--check", "--prune")).toMatchObject({ status: 0, changes: [] });
  });
});
