/** What `jailkit apply` says of jails and users that no file declares, or that were there and are missing. */
import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { did, linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const [A, B] = ["/srv/a", "/srv/b"] as const;
const FILE = "/etc/jailkit/jails.d/one.ini";
const jail = (path: string) => `[jail ${path}]\nsections = uidbasics, basicshell\n`;
const user = (name: string, path: string) => `[user ${name}]\njail = ${path}\nshell = /bin/bash\n`;

let m: Machine;

const summary = (...options: readonly string[]) => linesOf(m, ...options).summary;
const sh = (line: string) => m.must(["sh", "-c", line]);

beforeAll(async () => {
  m = await openApplyMachine();
  m.addUser("mallory");
});
afterEach(() => {
  m.write(FILE, "");
  m.must(["jailkit", "apply", "--prune", "--delete-homes"]);
  for (const path of [A, B]) expect(m.exists(path)).toBe(false);
});
afterAll(() => m?.close());

describe("what a file declared that is gone", () => {
  const OLD = "/root/tmp.ini";
  const NEW = "/etc/jailkit/jails.d/tt.ini";
  const told = (about: string) =>
    `${about}: '${OLD}' declared it once, and is gone: to remove it: touch ${OLD} && jailkit apply --prune ${OLD}; to keep it, declare it in a file of /etc/jailkit/jails.d`;

  test("is named by each run while nothing declares it, and what the run says removes it", () => {
    m.write(OLD, jail(A) + user("bob", A));
    m.must(["jailkit", "apply", OLD]);
    expect([summary().noLongerDeclared, summary().warnings]).toEqual([[], []]);
    sh(`mv ${OLD} ${NEW}`);
    expect(summary("--check", NEW).warnings).toEqual([]);
    sh(`truncate -s 0 ${NEW}`);
    const warning = told(`user bob: is not declared any more (and jail ${A})`);
    const empty = `'${NEW}' declares nothing, and nothing that is remembered was declared by it`;
    for (const options of [[], ["--prune"], ["--check"]] as const) {
      const { changes, summary: all } = linesOf(m, ...options, NEW);
      expect([changes, all.warnings]).toEqual([[], [empty, warning]]);
      expect(all.noLongerDeclared).toEqual([told("user bob"), told(`jail ${A}`)]);
      expect(summary(...options).warnings).toEqual([warning]);
    }
    expect(m.run(["jailkit", "apply"])).toMatchObject({
      ...{ status: 0, stdout: "0 changed, 0 failed, 0 as declared\n" },
      stderr: `jailkit apply: warning: ${warning}\n`,
    });
    const [, remove = "false"] = /to remove it: (.*); to keep/.exec(warning) ?? [];
    sh(`${remove} --delete-homes`);
    expect([m.exists(A), m.run(["id", "bob"]).status]).toEqual([false, 1]);
    expect([summary().warnings, summary().noLongerDeclared]).toEqual([[], []]);
    for (const file of [OLD, NEW]) m.remove(file);
  });

  test("is named though homes that were left keep its jail, and what the run says removes it", () => {
    m.write(OLD, jail(A) + user("bob", A));
    m.must(["jailkit", "apply", OLD]);
    m.write(OLD, "");
    m.must(["jailkit", "apply", "--prune", OLD]);
    const left = (file: string) =>
      `jail ${A}: is not declared any more, and stays with what earlier runs left in it ('${A}/home/bob'): to delete both: jailkit apply --prune --delete-homes${file}; to keep them as they are: jailkit forget ${A}`;
    expect([summary("--check", OLD).warnings, m.exists(A)]).toEqual([[left(` ${OLD}`)], true]);
    m.remove(OLD);
    expect(summary().warnings).toEqual([left(` ${OLD}`)]);
    const [, remove = "false"] = /to delete both: (.*); to keep/.exec(left(` ${OLD}`)) ?? [];
    // The first thing that this says.
    const [, touch = "false"] = /create an empty one: (.*)\n/.exec(m.run(remove.split(" ")).stderr) ?? [];
    sh(touch);
    sh(remove);
    expect([m.exists(A), summary().warnings]).toEqual([false, []]);
    m.remove(OLD);
  });

  test.each([
    ["a link to a file of jails.d", `ln -s ${NEW}`],
    ["a link to a usual file", "ln -s /etc/jailkit/jails.ini"],
    ["a link that leads nowhere", "ln -s /etc/jailkit/jails.d/none.ini"],
    ["a link to a directory of root's", "ln -s /etc/jailkit"],
    ["a file", "touch"],
  ])("is named, and stays, while a user has put in its place %s", (_, put) => {
    const open = "/tmp/old.ini";
    m.write(NEW, "");
    m.write(open, jail(A) + user("bob", A));
    m.must(["jailkit", "apply", open]);
    m.remove(open);
    m.must([...put.split(" "), open], { user: "mallory" });
    const warning = `user bob: is not declared any more (and jail ${A}): '${open}' declared it once, and what is there now is not read: jailkit apply --check ${open} says why; to keep it, declare it in a file of /etc/jailkit/jails.d`;
    for (const options of [["--check"], ["--prune", "--delete-homes"]] as const) {
      const { changes, summary: all } = linesOf(m, ...options);
      expect([changes, all.warnings]).toEqual([[], [warning]]);
    }
    expect(linesOf(m, "--check", open).summary.problems.map(({ code }) => code)).toEqual([
      put.includes("none") || put.endsWith("jailkit") ? "config-unreadable" : "config-unsafe",
    ]);
    m.remove(open);
    m.write(open, "");
    m.must(["jailkit", "apply", "--prune", "--delete-homes", open]);
    for (const file of [open, NEW]) m.remove(file);
  });

  test("is that of the file behind a directory which a user has made a link", () => {
    const open = "/tmp/d/old.ini";
    m.mkdir("/tmp/d", { mode: 0o755 });
    m.write(open, jail(A) + user("bob", A));
    m.must(["jailkit", "apply", open]);
    sh("rm -r /tmp/d");
    m.must(["ln", "-s", "/etc/jailkit/jails.d", "/tmp/d"], { user: "mallory" });
    expect(summary("--prune").warnings.map((line) => line.replace(/ and is gone.*/, ""))).toEqual([
      `user bob: is not declared any more (and jail ${A}): '${open}' declared it once,`,
    ]);
    sh("rm /tmp/d");
    m.mkdir("/tmp/d", { mode: 0o755 });
    m.write(open, "");
    m.must(["jailkit", "apply", "--prune", "--delete-homes", open]);
    m.remove("/tmp/d");
  });

  test.each([
    ["was in a sticky directory that everybody can write", "/tmp", ""],
    ["was in a directory that is gone, in such a one", "/tmp/d", "rm -r /tmp/d"],
    ["was in a directory of a user", "/srv/user", "chown nobody /srv/user"],
  ])("is removed without a name that a user can make a link when it %s", (_what, directory, after) => {
    const old = `${directory}/old.ini`;
    sh(`mkdir -p ${directory}`);
    m.write(old, jail(A) + user("bob", A));
    m.must(["jailkit", "apply", old]);
    sh(`rm ${old}; ${after}`);
    const how =
      "declare it in a file of /etc/jailkit/jails.d, run jailkit apply, take it out of there, and run jailkit apply --prune";
    const warning = `user bob: is not declared any more (and jail ${A}): '${old}' declared it once, and is gone: to remove it: ${how}; to keep it, declare it in a file of /etc/jailkit/jails.d`;
    expect(summary("--check").warnings).toEqual([warning]);
    const refused = linesOf(m, "--check", "--prune", old).summary.problems;
    expect(refused).toMatchObject([
      {
        message: expect.stringContaining(`no such file; to remove what it declared once, ${how}`),
        remedy: null,
      },
    ]);
    // As it says.
    m.write(NEW, jail(A) + user("bob", A));
    expect(did(m)).toEqual([]);
    m.write(NEW, "");
    m.must(["jailkit", "apply", "--prune", "--delete-homes"]);
    expect([m.exists(A), m.run(["id", "bob"]).status, summary().warnings]).toEqual([false, 1, []]);
    m.remove(NEW);
  });

  test.each([
    ["", ""],
    [" of an earlier version, which knew it by the link", "earlier"],
  ])("is named, and removed, also if it was read by a link that leads nowhere now%s", (_, version) => {
    const [link, memory] = ["/root/link.ini", "/var/lib/jailkit/declared.json"];
    sh(`mkdir -p /root/dir && ln -s ../tmp.ini /root/dir/second.ini && ln -s dir/second.ini ${link}`);
    m.write(OLD, jail(A));
    m.must(["jailkit", "apply", link]);
    if (version !== "") {
      expect(m.read(memory)).toContain(OLD);
      m.write(memory, m.read(memory).replaceAll(OLD, link), { mode: 0o600 });
    }
    expect([did(m, link), summary().warnings]).toEqual([[], []]);
    if (version !== "") m.write(memory, m.read(memory).replaceAll(OLD, link), { mode: 0o600 });
    m.remove(OLD);
    expect(summary("--check").warnings).toEqual([told(`jail ${A}: is not declared any more`)]);
    const { status, stderr } = m.run(["jailkit", "apply", "--prune", link]);
    const [, touch = "false"] = /create an empty one: (.*)\n/.exec(stderr) ?? [];
    expect([status, touch]).toEqual([1, `touch ${OLD}`]);
    sh(`${touch} && jailkit apply --prune ${link}`);
    expect([m.exists(A), summary().warnings]).toEqual([false, []]);
    sh(`rm -r ${OLD} ${link} /root/dir`);
  });

  test("through links in a circle is known by its name", () => {
    const link = "/root/circle.ini";
    m.write(link, jail(A));
    m.must(["jailkit", "apply", link]);
    sh(`ln -sf circle2.ini ${link} && ln -s circle.ini /root/circle2.ini`);
    expect(m.run(["jailkit", "apply", "--prune", link]).status).toBe(1);
    expect(m.exists(A)).toBe(true);
    sh(`rm ${link} /root/circle2.ini && touch ${link} && jailkit apply --prune ${link} && rm ${link}`);
  });

  test("is kept by a file that declares it", () => {
    m.write(OLD, jail(A) + user("bob", A));
    m.must(["jailkit", "apply", OLD]);
    m.remove(OLD);
    expect(summary().warnings).toHaveLength(1);
    m.write(FILE, jail(A) + user("bob", A));
    expect([did(m), summary().warnings]).toEqual([[], []]);
  });
});

describe("a jail that is missing", () => {
  test("is made anew with a warning, and what that says brings it back", () => {
    m.write(FILE, jail(A));
    expect(did(m)[0]).toEndWith("(it does not exist)");
    sh(
      `mkdir /parked && mv ${A} /parked/deeply && mkdir -p /parked/1/2/3/4/5/6 && mv /parked/deeply /parked/1/2/3/4/5/6/x`,
    );
    const { changes, summary: all } = linesOf(m, "--check");
    expect([changes.map(({ text }) => text), all.warnings]).toEqual([
      [`+ jail ${A}: sections uidbasics, basicshell (it was here, and is missing)`],
      [
        `jail ${A}: it was here, and is missing: it is made anew, without what users had in it; if it was moved: jailkit adopt --moved ${A} NEW; if it is on another file system: mount that first`,
      ],
    ]);
    const [, adopt = "false"] = /moved: (jailkit adopt .*) NEW/.exec(`${all.warnings[0]}`) ?? [];
    sh(`mv /parked/1/2/3/4/5/6/x ${B} && ${adopt} ${B} && rm -r /parked`);
    m.write(FILE, jail(B));
    expect([did(m), summary().warnings]).toEqual([[], []]);
  });

  test("is made as usual after jailkit delete, and --prune", () => {
    for (const remove of [
      () => m.must(["jailkit", "delete", "--yes", A]),
      () => {
        m.write(FILE, "");
        m.must(["jailkit", "apply", "--prune"]);
      },
    ]) {
      m.write(FILE, jail(A));
      m.must(["jailkit", "apply"]);
      remove();
      m.write(FILE, jail(A));
      const { changes, summary: all } = linesOf(m, "--check");
      expect([changes[0]?.why, all.warnings]).toEqual(["it does not exist", []]);
    }
  });
});

test("a jail made by hand is shown with its users, as what is not declared", () => {
  m.must(["jk_init", "-j", B, "uidbasics", "basicshell"]);
  expect(summary().undeclared).toEqual([`jail ${B}`]);
  m.must(["jk_addjailuser", "-j", B, "-p", "*", "-s", "/bin/bash", "guest"]);
  expect(summary().undeclared).toEqual([`jail ${B}: users guest`]);
  expect(m.must(["jailkit", "apply", "--verbose"]).stdout).toContain(
    `not declared: jail ${B}: users guest\n`,
  );
  m.must(["jailkit", "delete", "--yes", "--unjail", B]);
  m.must(["userdel", "-r", "guest"]);
});

test("a jail with a new name in the files is not made beside the old one, and what the error says moves it", () => {
  m.write(FILE, jail(A) + user("bob", A));
  m.must(["jailkit", "apply"]);
  m.write(FILE, jail(B) + user("bob", B));
  const remedy = `mv -nT ${A} ${B} && jailkit adopt --moved ${A} ${B}`;
  for (const options of [["--check"], [], ["--prune"]] as const) {
    const { exitStatus, problems } = summary(...options);
    expect([exitStatus, problems.find(({ path }) => path === B)]).toMatchObject([
      1,
      {
        code: "in-another-jail",
        message: `jail ${B}: it does not exist, and 'bob' is in '${A}', which is not declared any more: if that has a new name: ${remedy}; else declare it too, until its users have left it`,
        remedy,
      },
    ]);
    // The user waits for the jail: no command takes the account out of it.
    expect(problems.filter(({ path }) => path !== A).map((one) => one.remedy)).toEqual([remedy, null]);
    expect(problems.find(({ path }) => path === "bob")?.message).toBe(`user bob: waits for the jail '${B}'`);
    expect(JSON.stringify(problems)).not.toContain("unjail");
    expect(m.exists(B)).toBe(false);
  }
  const checked = m.run(["jailkit", "config", "check"]).stdout;
  expect(checked).toContain(
    `the jail '${B}': it does not exist, and 'bob' is in '${A}', which is not declared any more: if that has a new name: ${remedy}`,
  );
  expect(checked + m.run(["jailkit", "status"]).stdout).not.toContain("--unjail");
  sh(remedy);
  expect([linesOf(m).status, did(m)]).toEqual([0, []]);
  expect(m.read("/etc/passwd")).toContain(`:${B}/./home/bob:`);
});

describe("--prune is not advised for what it does not remove", () => {
  test("a jail that was moved, and its user: what the warning says moves both, and --prune then removes them", () => {
    m.write(FILE, jail(A) + user("bob", A));
    m.must(["jailkit", "apply"]);
    m.write(FILE, "");
    sh(`mv ${A} ${B}`);
    const remedy = `jailkit adopt --moved ${A} ${B}`;
    const { warnings, noLongerDeclared } = summary();
    expect([noLongerDeclared, warnings]).toEqual([
      [],
      [
        `jail ${A}: is not declared any more, and stays: it was moved: ${remedy}`,
        `user bob: is not declared any more, and stays: waits for the jail '${A}': it was moved: ${remedy}`,
      ],
    ]);
    expect(m.run(["jailkit", "apply"]).stdout).toBe("0 changed, 0 failed, 0 as declared\n");
    sh(remedy);
    expect(summary()).toMatchObject({ noLongerDeclared: ["user bob", `jail ${B}`], warnings: [] });
  });

  test("a jail in which a user is declared no more, but by a new name of the jail", () => {
    m.write(FILE, jail(A) + user("bob", A));
    m.must(["jailkit", "apply"]);
    m.write(FILE, jail(B) + user("bob", B));
    const note = `jail ${A}: is not declared any more, and stays: users live in it whom --prune does not take out (bob)`;
    expect(summary()).toMatchObject({ noLongerDeclared: [], warnings: [note] });
  });
});

test("config check reports a user in a jail that is declared no more, or is not there", () => {
  const findings = () => m.run(["jailkit", "config", "check"]).stdout;
  m.write(FILE, jail(A) + user("bob", A));
  m.must(["jailkit", "apply"]);
  expect(findings()).not.toContain("is not declared");
  m.write(FILE, user("bob", A));
  const text = `the jail '${A}' is not declared, and was once, in '${FILE}': declare it with [jail ${A}], or name another one`;
  expect(findings()).toContain(text);
  sh(`mv ${A} /srv/away`);
  expect(findings()).toContain(`the jail '${A}' is not declared, and does not exist`);
  sh(`mv /srv/away ${A}`);
});
