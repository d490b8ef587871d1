/** `jailkit apply --prune` while somebody writes the declarations: what is declared stays. */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { holdLock, linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/a";
const D = "/etc/jailkit/jails.d";
const FILE = `${D}/z1.ini`;
const OTHER = `${D}/z2.ini`;
const OTHERS = 300;
const declared = `[jail ${J}]\nsections = uidbasics, basicshell\n\n[user anna]\njail = ${J}\nshell = /bin/bash\n`;

let m: Machine;
beforeAll(async () => {
  m = await openApplyMachine();
  for (let one = 0; one < OTHERS; one++) m.write(`${D}/a${one}.ini`, "# nothing\n");
});
beforeEach(() => {
  m.remove(OTHER);
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

describe("before something is removed, what is declared by then counts:", () => {
  const other = declared.replaceAll("anna", "otto").replaceAll(J, "/srv/b");
  const SINCE = "since the plan was made: nothing of it is removed";

  beforeEach(() => {
    m.write(OTHER, other);
    m.must(["jailkit", "apply"]);
  });

  /** The status and the errors of a run that has waited for the lock of the jail, while `then` happened, and who is there. */
  async function pruneDuring(then: () => void, ...files: string[]) {
    m.write(FILE, "");
    const lock = await holdLock(m, J);
    const run = m.start(["jailkit", "apply", "--prune", "--delete-homes", ...files]);
    await run.until(({ stderr }) => stderr.includes("waiting for") || undefined);
    then();
    lock.kill();
    await lock.ended;
    const { status, stderr } = await run.ended;
    const errors = stderr.split("\n").filter((line) => /: user .*: (?!not done)/.test(line));
    const names = ["anna", "otto"].filter((name) => m.run(["getent", "passwd", name]).status === 0);
    return [status, errors.map((line) => line.replace("jailkit apply: ", "")), names.join()];
  }

  test.each([
    ["who is declared again stays, with the jail", FILE, []],
    ["also in another file than the named one", OTHER, [FILE]],
  ])("%s", async (_, file, files) => {
    const before = file === OTHER ? `${other}\n` : "";
    const place = `${file}:${before.split("\n").length + 3}:7`;
    const message = `user anna: 'anna' is declared again (${place}) ${SINCE}; run this again`;
    const end = await pruneDuring(() => m.write(file, before + declared), ...files);
    expect(end).toEqual([1, [message], "anna,otto"]);
    expect(linesOf(m, "--check", "--prune")).toMatchObject({ status: 0, changes: [] });
  });

  test("others go, and so does all if only another file has changed", async () => {
    m.write(OTHER, "");
    expect(await pruneDuring(() => m.write(OTHER, "# nothing\n"))).toEqual([0, [], ""]);
    m.write(FILE, declared);
    m.write(OTHER, other);
    m.must(["jailkit", "apply"]);
    const end = await pruneDuring(() => {
      m.write(FILE, declared);
      m.write(OTHER, "");
    });
    expect(end).toEqual([1, [expect.stringContaining("'anna' is declared again")], "anna,otto"]);
    expect(linesOf(m, "--prune", "--delete-homes").changes.map(({ name }) => name)).toEqual([
      "otto",
      "/srv/b",
    ]);
  });

  test.each([
    ["has a mistake", "[user anna\n", FILE, /z1\.ini:1/],
    [
      "is not read",
      declared,
      `${D}/z3.conf`,
      /--prune would remove user anna and 1 more, which '.*\/z3\.conf' may declare/,
    ],
  ])("nothing goes if a file %s by then", async (_, text, file, why) => {
    const [status, errors, names] = await pruneDuring(() => m.write(file, text));
    m.remove(`${D}/z3.conf`);
    expect([status, names]).toEqual([1, "anna,otto"]);
    expect(errors).toEqual([expect.stringContaining(`user anna: what is declared has changed ${SINCE}; `)]);
    expect(errors).toEqual([expect.stringMatching(why)]);
  });
});
