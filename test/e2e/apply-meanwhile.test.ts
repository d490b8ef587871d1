/** `jailkit apply --prune` while somebody writes the declarations: what is declared stays. */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { holdLock, KEYS, linesOf, openApplyMachine } from "./apply-scene.ts";

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

  /** A run that has waited for the lock of the jail, while `then` happened. */
  async function runDuring(then: () => void, ...options: string[]) {
    const lock = await holdLock(m, J);
    const run = m.start(["jailkit", "apply", "--prune", ...options]);
    await run.until(({ stderr }) => stderr.includes("waiting for") || undefined);
    then();
    lock.kill();
    await lock.ended;
    return await run.ended;
  }

  /** Its status and its errors, and who is there. */
  async function pruneDuring(then: () => void, ...files: string[]) {
    m.write(FILE, "");
    const { status, stderr } = await runDuring(then, "--delete-homes", ...files);
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

  describe("of what a jail and a user have", () => {
    const jail = (sections: string) => `[jail ${J}]\nsections = uidbasics, basicshell${sections}\n`;
    const anna = (more: string) => `[user anna]\njail = ${J}\n${more}`;
    const BASH = "shell = /bin/bash\n";
    const [GROUP, KEY, LIMIT] = ["groups = team\n", `authorized_keys = ${KEYS[0]}\n`, "network = none\n"];
    const WHOLE = jail(", sftp") + anna(BASH + GROUP + KEY + LIMIT);
    const NOTHING = jail("") + anna(BASH);
    const left = () => [
      m.exists(`${J}/usr/lib/openssh/sftp-server`) && "sftp",
      m.must(["id", "-Gn", "anna"]).stdout.includes("team") && "team",
      m.read(`${J}/home/anna/.ssh/authorized_keys`) !== "" && "key",
      m.exists("/etc/jailkit/jk_chrootsh.d/anna.ini") && "limit",
    ];

    test.each<[string, string, readonly string[], readonly string[]]>([
      ["all", WHOLE, ["sections sftp", "groups team", "keys SHA256:\\S+"], ["sftp", "team", "key", "limit"]],
      ["nothing", `# nothing\n${NOTHING}`, [], []],
      ["a section", jail(", sftp") + anna(BASH), ["sections sftp"], ["sftp"]],
      ["a group, by its gid", jail("") + anna(`${BASH}groups = GID\n`), ["groups team"], ["team"]],
      ["a key", jail("") + anna(BASH + KEY), ["keys SHA256:\\S+"], ["key"]],
      ["limits", jail("") + anna(BASH + LIMIT), ["policy"], ["limit"]],
    ])("%s", async (_, text, errors, stays) => {
      const [, , gid = ""] = m.must(["getent", "group", "team"]).stdout.trim().split(":");
      m.write(FILE, WHOLE);
      m.must(["jailkit", "apply"]);
      expect(left()).toEqual(["sftp", "team", "key", "limit"]);
      m.write(FILE, NOTHING);
      const { status, stderr } = await runDuring(() => m.write(FILE, text.replace("GID", gid)));
      const said: readonly string[] = stderr.match(/(?<=: )[a-z]+[^:]*(?::\S+)?: declared again .*/g) ?? [];
      expect([status, said]).toEqual([
        errors.length === 0 ? 0 : 1,
        errors.map((what) =>
          expect.stringMatching(
            new RegExp(`^${what}: declared again \\(${FILE}:\\d+:\\d+\\) ${SINCE}; run this again$`),
          ),
        ),
      ]);
      expect(left()).toEqual(expect.arrayContaining([...stays]));
      // What gives something has waited, such as the end of limits.
      expect(linesOf(m, "--prune").status).toBe(0);
      expect(left().filter((one) => one !== false)).toEqual([...stays]);
    });
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
