/** `jailkit apply`, where a user has filled the file system of the jail: no less is taken away for that. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { KEYS, linesOf, openApplyMachine } from "./apply-scene.ts";
import { typeRemedy } from "./remedies-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/small/jail";
const FILE = "/etc/jailkit/jails.d/one.ini";
const JAIL = `[jail ${J}]\nsections = uidbasics, basicshell, sftp\n`;
const eve = (more: string) => `${JAIL}[user eve]\njail = ${J}\n${more}`;
const SHELL = "shell = /bin/bash\n";

let m: Machine;

beforeAll(async () => {
  m = await openApplyMachine();
  m.mkdir("/srv/small");
  m.must(["mount", "-t", "tmpfs", "-o", "mode=0755,size=100m,nr_inodes=3000", "tmpfs", "/srv/small"]);
});
afterAll(() => m?.close());

function declare(text: string): void {
  m.write(FILE, text);
  m.must(["jailkit", "apply", "--prune"]);
}

/** The user creates files until no more can be. */
const fill = (user: string) =>
  m.run(
    ["sh", "-c", `cd ${J}/home/${user} && mkdir many && cd many && i=0; while : >$i; do i=$((i+1)); done`],
    { user },
  );
const empty = (user: string) => m.must(["rm", "-r", `${J}/home/${user}/many`]);
const canLogIn = (user: string) => m.run(["su", "-", user, "-c", "echo in"]).stdout === "in\n";
const messagesIn = ({ problems }: ReturnType<typeof linesOf>["summary"]) =>
  problems.map(({ code, message }) => `${code} ${message}`);
const messages = ({ summary }: ReturnType<typeof linesOf>) => messagesIn(summary);

test("an account that is not declared any more is removed with the home that fills it", () => {
  declare(eve(SHELL));
  fill("eve");
  m.write(FILE, JAIL);
  const { changes } = linesOf(m, "--prune", "--delete-homes");
  expect(changes.map(({ text, status, errors }) => [status, text, errors])).toEqual([
    ["done", `- user eve: account and its home ${J}/home/eve (no longer declared)`, []],
  ]);
  expect([m.run(["id", "eve"]).status, m.read(`${J}/etc/passwd`)]).toEqual([
    1,
    expect.not.stringContaining("eve:"),
  ]);
});

test("one that keeps its home cannot log in, and the message says so; with room it goes, or comes back", () => {
  declare(eve(SHELL));
  expect(canLogIn("eve")).toBe(true);
  fill("eve");
  m.write(FILE, JAIL);
  for (let run = 0; run < 2; run++) {
    expect(messages(linesOf(m, "--prune"))).toEqual([
      expect.stringMatching(
        /^no-room .*no more files can be created.*; no session of 'eve' begins in the jail meanwhile, with the shell '.*\/nologin'$/,
      ),
    ]);
    expect(canLogIn("eve")).toBe(false);
  }
  empty("eve");
  declare(eve(SHELL));
  expect(canLogIn("eve")).toBe(true);
  fill("eve");
  m.write(FILE, JAIL);
  linesOf(m, "--prune");
  empty("eve");
  expect(linesOf(m, "--prune").status).toBe(0);
  expect(m.run(["id", "eve"]).status).toBe(1);
  m.must(["rm", "-r", `${J}/home/eve`]);
});

test("one that was there before cannot log in either, and gets its shell back when it can be taken out", () => {
  m.addUser("dora", { home: "/home/dora", createHome: true, shell: "/bin/sh" });
  declare(`${JAIL}[user dora]\njail = ${J}\n${SHELL}`);
  fill("dora");
  m.write(FILE, JAIL);
  expect(messages(linesOf(m, "--prune"))[0]).toMatch(
    /^no-room .*; no session of 'dora' begins in the jail meanwhile/,
  );
  expect(canLogIn("dora")).toBe(false);
  empty("dora");
  expect(linesOf(m, "--prune").status).toBe(0);
  expect(m.read("/etc/passwd")).toMatch(/^dora:.*:\/home\/dora:\/bin\/sh$/m);
});

test("who is allowed less keeps what was allowed before, and is told to, with what ends the logins until there is room", () => {
  declare(eve(`uid = 7001\n${SHELL}groups = team\n`));
  fill("eve");
  m.write(FILE, eve("uid = 7001\nallow = sftp\n"));
  const { changes, status, summary } = linesOf(m, "--prune");
  expect(new Set(summary.problems.map(({ code }) => code))).toEqual(new Set(["no-room"]));
  const [warning = ""] = changes.flatMap(({ warnings }) => warnings);
  expect([status, warning]).toEqual([
    1,
    expect.stringContaining("'eve' is still allowed what it was before; "),
  ]);
  expect(m.must(["id", "-Gn", "eve"]).stdout).not.toContain("team");
  // In the jail it is a member still.
  expect(changes.find(({ what }) => what === "groups")).toMatchObject({
    status: "failed",
    steps: ["took 'eve' out of the group 'team'"],
    warnings: [expect.stringContaining("'eve' is still allowed the rest of what it was before; ")],
  });
  expect(canLogIn("eve")).toBe(true);
  expect(typeRemedy(m, warning.split(", with: ")[1] ?? "false")).toMatchObject({ status: 0 });
  expect(canLogIn("eve")).toBe(false);
  empty("eve");
  expect(linesOf(m, "--prune").status).toBe(0);
  expect(m.read("/etc/passwd")).toMatch(/^eve:.*\/jk_chrootsh$/m);
  expect(m.read(`${J}/etc/passwd`)).toMatch(/^eve:.*\/jk_lsh$/m);
});

describe("with no byte left, --check says what the run does", () => {
  const key = `authorized_keys = ${KEYS[0]}\n`;
  const before = eve(`uid = 7001\n${SHELL}${key}`);
  beforeAll(() => {
    declare(before);
    m.run(["sh", "-c", `cat /dev/zero >${J}/home/eve/all`], { user: "eve" });
  });
  afterAll(() => {
    m.remove(`${J}/home/eve/all`);
    declare(before);
  });
  const full = `${J}: its file system is full: 0 MiB are free`;
  const shown = (...options: string[]) => {
    const { status, changes, summary } = linesOf(m, ...options);
    const { changed, failed, unchanged } = summary;
    const texts = changes.map(({ text }) => text);
    const places = summary.problems.map(({ line }) => line);
    return { status, texts, counts: [changed, failed, unchanged], problems: messagesIn(summary), places };
  };
  /** The line with a text. */
  const lineOf = (text: string, part: string) => text.slice(0, text.indexOf(part)).split("\n").length;
  const sftp = [
    "+ user eve: policy allow (it has no section)",
    "~ user eve: shell /bin/bash -> /usr/sbin/jk_lsh",
  ];

  test.each<[string, string, string, string, number[], string[]]>([
    ["a new user", `${before}[user fred]\njail = ${J}\n${SHELL}`, "fred", "user fred", [0, 1, 2], []],
    ["one more key", `${before}    ${KEYS[1]}\n`, "eve", "ssh-ed25519", [0, 1, 1], []],
    [
      ...["sftp in place of a shell", before.replace(SHELL, "allow = sftp\n"), "eve", "allow"],
      ...[[0, 1, 1], sftp],
    ] as never,
    [
      ...["another shell", before.replace(SHELL, "shell = /bin/sh\n"), "eve", "shell ="],
      ...[[0, 1, 1], []],
    ] as never,
  ])("%s", (_, text, name, part, counts, texts) => {
    m.write(FILE, text);
    const checked = shown("--check");
    expect(checked).toEqual({
      ...{ status: 1, texts, counts },
      problems: [expect.stringContaining(`no-room user ${name}: ${full}`)],
      places: [lineOf(text, part)],
    });
    expect(shown()).toEqual(checked);
    expect(m.run(["id", "fred"]).status).toBe(1);
  });

  test("rights that are written on the machine are given", () => {
    m.write(FILE, before.replace(SHELL, `${SHELL}confine = 1\n`));
    expect([shown("--check"), shown()].map(({ counts, problems }) => [counts, problems])).toEqual([
      [[1, 0, 1], []],
      [[1, 0, 1], []],
    ]);
  });
});
