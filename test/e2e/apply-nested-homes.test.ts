/** `jailkit apply` where homes are in homes: who leaves takes no home of another one along, and the plan knows. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { runWithStops } from "../machine/stops.ts";
import { did, linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/customer";
const FILE = "/etc/jailkit/jails.d/one.ini";
const JAIL = `[jail ${J}]\nsections = uidbasics, basicshell\n`;
const ALL = ["--prune", "--delete-homes"] as const;
const user = (name: string, home = `/home/${name}`) =>
  `[user ${name}]\njail = ${J}\nshell = /bin/bash\nhome = ${home}\n`;

let m: Machine;

function declare(...users: readonly string[]): void {
  m.write(FILE, `${JAIL}${users.join("")}`);
  expect(linesOf(m).summary.problems).toEqual([]);
}

/** Moves the home of an account in the jail, as an administrator may. */
function rehome(name: string, home: string): void {
  m.must(["mv", `${J}/home/${name}`, J + home]);
  m.must(["usermod", "-d", `${J}/.${home}`, name]);
  m.must(["sed", "-i", `s,:/home/${name}:,:${home}:,`, `${J}/etc/passwd`]);
}

/** What a run would do, and why it cannot do the rest; and what it does. */
const planned = (...options: readonly string[]) => {
  const { changes, summary } = linesOf(m, ...options);
  return { plan: changes.map(({ text }) => text), faults: summary.problems.map(({ message }) => message) };
};
const exists = (name: string) => new RegExp(`^${name}:`, "m").test(m.read("/etc/passwd"));

beforeAll(async () => {
  m = await openApplyMachine();
});
afterAll(() => m?.close());

test("a home that stays is not deleted with the one that it is in", () => {
  m.must(["jk_init", "-j", J, "uidbasics", "basicshell"]);
  m.must(["jk_addjailuser", "-j", J, "-p", "*", "-s", "/bin/bash", "guest"]);
  // In this order, the line of guest is gone when the home of web would be deleted.
  declare(user("guest"));
  declare(user("guest"), user("web"));
  rehome("guest", "/home/web/guest");
  declare();
  const { status, changes } = linesOf(m, ...ALL);
  expect([status, changes.map(({ text }) => text)]).toEqual([
    ...[
      0,
      [
        `- user guest: entry in ${J} (no longer declared)`,
        expect.stringMatching(/^- user web: account but not its home .* \(no longer declared\)$/),
      ],
    ],
  ]);
  expect(changes[1]?.warnings).toEqual([
    expect.stringMatching(/home\/web' of uid \d+ stays: the home of 'guest' is in it$/),
  ]);
  expect([exists("guest"), exists("web"), m.exists(`${J}/home/web/guest/.bashrc`)]).toEqual([
    ...[true, false, true],
  ]);
  m.must(["sh", "-c", `userdel guest; rm -r ${J}/home/web`]);
});

test("nor is that of an account that has no line in the jail", () => {
  declare(user("web"));
  m.must(["useradd", "-m", "-d", `${J}/home/web/other`, "other"]);
  declare();
  const { changes } = linesOf(m, ...ALL);
  expect(changes[0]?.warnings).toEqual([expect.stringMatching(/stays: the home of 'other' is in it$/)]);
  expect(m.exists(`${J}/home/web/other/.bashrc`)).toBe(true);
  m.must(["sh", "-c", `userdel other; rm -r ${J}/home/web`]);
});

test("nor is one that its owner's neighbour has hidden in the own home, whether or not that was its place", () => {
  for (const place of ["/srv/web/other", "/srv/shared/other"]) {
    declare(user("web", "/srv/web"));
    m.must(["install", "-d", "-m", "0777", `${J}/srv/shared`]);
    m.must(["useradd", "-m", "-d", J + place, "other"]);
    declare();
    // By its mode, web may move it to another directory, too.
    m.must(["chmod", "0777", `${J}/srv/web`, J + place]);
    m.must(["mv", J + place, `${J}/srv/web/.x`], { user: "web" });
    const { changes } = linesOf(m, ...ALL);
    const what = place.startsWith("/srv/web/")
      ? "the home of 'other' is in it"
      : `the directory '${J}/srv/web/.x' of 'other' is in it`;
    expect(changes[0]?.warnings).toEqual([expect.stringMatching(/stays: /)]);
    expect(changes[0]?.warnings[0]?.replace(/.* stays: /, "")).toBe(what);
    expect([exists("web"), m.exists(`${J}/srv/web/.x/.bashrc`)]).toEqual([false, true]);
    m.must(["sh", "-c", `userdel other; rm -r ${J}/srv/web ${J}/srv/shared`]);
  }
});

test("nor is one in whose place its owner's neighbour has put a link to what looks like it, or like root's", () => {
  for (const target of ["/etc", "/var/mail/other", "/srv/looks"]) {
    declare(user("web", "/srv/web"));
    m.must(["useradd", "-m", "-d", `${J}/srv/web/other`, "other"]);
    m.must(["sh", "-c", "install -d -o other /srv/looks; install -o other /dev/null /var/mail/other"]);
    declare();
    m.must(["sh", "-c", `cd ${J}/srv/web && mv other .x && ln -s ${target} other`], { user: "web" });
    for (const options of [["--check", ...ALL], ALL]) {
      const { changes } = linesOf(m, ...options);
      expect(changes[0]?.text).toContain("account but not its home");
    }
    expect([exists("web"), m.exists(`${J}/srv/web/.x/.bashrc`)]).toEqual([false, true]);
    m.must(["sh", "-c", `userdel other; rm -r ${J}/srv/web /srv/looks /var/mail/other`]);
  }
});

test("nor is one that was moved before root closed the directory in which it was", () => {
  m.must(["groupadd", "crew"]);
  declare(user("web", "/srv/web/web"));
  m.must(["sh", "-c", `usermod -aG crew web && chgrp crew ${J}/srv/web && chmod 2775 ${J}/srv/web`]);
  m.must(["install", "-d", "-o", "web", `${J}/srv/web/sub`]);
  m.must(["useradd", "-m", "-d", `${J}/srv/web/sub/other`, "other"]);
  declare();
  m.must(["mv", `${J}/srv/web/sub`, `${J}/srv/web/web/x`], { user: "web" });
  m.must(["chmod", "g-w", `${J}/srv/web`]);
  for (const options of [["--check", ...ALL], ALL]) {
    const { changes } = linesOf(m, ...options);
    expect(changes[0]?.text).toContain("account but not its home");
  }
  expect([exists("web"), m.exists(`${J}/srv/web/web/x/other/.bashrc`)]).toEqual([false, true]);
  m.must(["sh", "-c", `userdel other; groupdel crew; rm -r ${J}/srv/web`]);
});

test("single files and empty directories of others go with it, and what root alone writes", () => {
  declare(user("web"));
  m.must(["useradd", "-M", "-d", "/var/guarded", "guarded"]);
  m.mkdir("/var/guarded");
  m.must(["useradd", "-M", "-d", "/nowhere", "placeless"]);
  m.must(["useradd", "-r", "-M", "-d", "/var/lib/service/state", "service"]);
  for (const name of ["www-data", "nobody", "guarded", "placeless", "service"])
    m.must(["install", "-d", "-o", name, `${J}/home/web/of-${name}`]);
  m.must(["install", "-d", `${J}/home/web/logs`]);
  m.must(["install", "/etc/hostname", `${J}/home/web/logs/access`]);
  m.must(["install", "-o", "www-data", "/etc/hostname", `${J}/home/web/upload`]);
  declare();
  const plan = [`- user web: account and its home ${J}/home/web (no longer declared)`];
  expect(planned("--check", ...ALL)).toEqual({ plan, faults: [] });
  expect(did(m, ...ALL)).toEqual([`done ${plan[0]}`]);
  expect(m.exists(`${J}/home/web`)).toBe(false);
  m.must(["sh", "-c", "userdel guarded; userdel placeless; userdel service; rmdir /var/guarded"]);
});

test("nor is what another one, or root, has in a directory that its user has moved there", () => {
  m.run(["groupadd", "-f", "crew"]);
  declare(user("vic"), user("web"));
  m.must(["sh", "-c", "gpasswd -a vic crew && gpasswd -a web crew"]);
  for (const owner of ["vic", "root"]) {
    declare(user("vic"), user("web"));
    m.must(["gpasswd", "-a", "web", "crew"]);
    m.must(["install", "-d", "-g", "crew", "-m", "2775", `${J}/srv/shared`]);
    m.must(["install", "-d", "-o", owner, "-g", "crew", "-m", "2775", `${J}/srv/shared/project`]);
    m.must(["install", "-d", "-o", owner, "-m", "0700", `${J}/srv/shared/project/private`]);
    m.must(["install", "-o", owner, "-m", "0600", "/etc/hostname", `${J}/srv/shared/project/private/db`]);
    m.must(["mv", `${J}/srv/shared/project`, `${J}/home/web/p`], { user: "web" });
    declare(user("vic"));
    for (const options of [["--check", ...ALL], ALL]) {
      const { changes } = linesOf(m, ...options);
      expect(changes.map(({ text }) => text)).toEqual([
        expect.stringMatching(
          /account but not its home .*: the directory .* is in it \(no longer declared\)$/,
        ),
      ]);
      if (options === ALL)
        expect(changes[0]?.warnings).toEqual([
          expect.stringContaining(`stays: the directory '${J}/home/web/p' of '${owner}' is in it`),
        ]);
    }
    expect([exists("web"), m.exists(`${J}/home/web/p/private/db`)]).toEqual([false, true]);
    m.must(["rm", "-r", `${J}/home/web`, `${J}/srv/shared`]);
  }
});

test("nor is what its user has moved to where no path leads, which --check says, too", () => {
  m.run(["groupadd", "-f", "crew"]);
  m.addUser("dora", { home: "/home/dora", createHome: true, shell: "/bin/sh" });
  declare(user("vic"), user("web"), user("dora"));
  for (const name of ["vic", "web", "dora"]) m.must(["gpasswd", "-a", name, "crew"]);
  m.must(["install", "-d", "-g", "crew", "-m", "2775", `${J}/srv/shared`]);
  const lines = (name: string) => [
    ...["import os", `os.chdir("${J}/home/${name}")`, `src = os.open("${J}/srv/shared", os.O_RDONLY)`],
    ...["for i in range(22):", " os.mkdir('d' * 200)", " os.chdir('d' * 200)"],
    `os.rename("${name}", "p", src_dir_fd=src)`,
  ];
  for (const name of ["web", "dora"]) {
    m.must(["install", "-d", "-o", "vic", "-g", "crew", "-m", "2775", `${J}/srv/shared/${name}`]);
    m.must(["install", "-d", "-o", "vic", "-m", "0700", `${J}/srv/shared/${name}/private`]);
    m.must(["python3", "-c", lines(name).join("\n")], { user: name });
  }
  declare(user("vic"));
  const what = (name: string) =>
    `the directory '${J}/home/${name}/[d/]*\\[\\.\\.\\.\\][d/]*/p' of 'vic' is in it`;
  for (const options of [["--check", ...ALL], ALL])
    expect(planned(...options)).toEqual({
      plan: [
        expect.stringMatching(new RegExp(`web: account but not its home .*: ${what("web")} \\(no longer`)),
        `- user dora: entry in ${J} (no longer declared)`,
      ],
      faults: [expect.stringMatching(new RegExp(`^user dora: .*, but ${what("dora")}: it would move along`))],
    });
  expect([exists("web"), exists("dora")]).toEqual([false, true]);
  m.must(["sh", "-c", `userdel dora; rm -r ${J}/home/web ${J}/home/dora ${J}/srv/shared`]);
  declare();
  expect(linesOf(m, ...ALL).status).toBe(0);
});

test("nor does it leave the jail with the home of an account of before", () => {
  m.addUser("dora", { home: "/home/dora", createHome: true, shell: "/bin/sh" });
  declare(user("vic"), user("dora"));
  m.must(["install", "-d", "-o", "vic", "-m", "0700", `${J}/home/dora/p`]);
  m.must(["install", "-o", "vic", "/etc/hostname", `${J}/home/dora/p/db`]);
  declare(user("vic"));
  const faults = [
    expect.stringContaining(
      `the directory '${J}/home/dora/p' of 'vic' is in it: it would move along; move it out of the home first`,
    ),
  ];
  const plan = [`- user dora: entry in ${J} (no longer declared)`];
  for (const options of [["--check", ...ALL], ALL]) expect(planned(...options)).toEqual({ plan, faults });
  // It may have moved that there itself.
  expect(m.read(`${J}/etc/passwd`)).not.toMatch(/^dora:/m);
  expect(planned(...ALL)).toEqual({ plan: [], faults });
  m.must(["mv", `${J}/home/dora/p`, `${J}/home/vic/p`]);
  expect(did(m, ...ALL)).toHaveLength(1);
  expect([m.exists("/home/dora"), m.exists(`${J}/home/vic/p/db`)]).toEqual([true, true]);
  m.must(["userdel", "-r", "dora"]);
  declare();
  expect(did(m, ...ALL)).toHaveLength(1);
});

test("nor does it leave with what comes into the home during the run, or cannot be looked at", async () => {
  m.run(["groupadd", "-f", "crew"]);
  m.addUser("dora", { home: "/home/dora", createHome: true, shell: "/bin/sh" });
  declare(user("vic"), user("dora"));
  m.must(["install", "-d", "-m", "0777", `${J}/srv/shared`]);
  m.must(["install", "-d", "-o", "vic", `${J}/srv/shared/project`]);
  m.must(["install", "-o", "vic", "/etc/hostname", `${J}/srv/shared/project/db`]);
  declare(user("vic"));
  const enter = `cd ${J} && ls -d /home/.jk-home-* && mv srv/shared/project home/dora/p`;
  const stops = { calls: ["mkdirat"], paths: [] };
  const { status, stderr } = await runWithStops(m, ["jailkit", "apply", ...ALL], stops, () => {
    m.run(["sh", "-c", enter]);
  });
  const db = `${J}/home/dora/p/db`;
  expect([status, stderr]).toEqual([1, expect.stringContaining("/dora/p' of 'vic' is in it")]);
  expect([m.exists(db), m.exists("/home/dora")]).toEqual([true, false]);
  // More than the plan looks at.
  const deep = `/${"d".repeat(200)}`.repeat(18);
  m.must(["mkdir", "-p", `${J}/home/dora${deep}`]);
  const script = `import os\nos.chdir("${J}/home/dora${deep}")\nfor i in range(14500): os.mkdir(str(i))`;
  m.must(["python3", "-c", script]);
  m.must(["sh", "-c", `mv ${J}/home/dora/p ${J}/home/dora${deep} && chown -R dora ${J}/home/dora/d*`]);
  m.must(["chown", "-R", "vic", `${J}/home/dora${deep}/p`]);
  const { summary } = linesOf(m, ...ALL);
  expect(summary.problems.map(({ code }) => code)).toEqual(["holds-home"]);
  expect([m.exists(`${J}/home/dora${deep}/p/db`), m.exists("/home/dora")]).toEqual([true, false]);
  m.must(["rm", "-r", `${J}/home/dora`, `${J}/srv/shared`]);
  m.must(["userdel", "dora"]);
  declare();
  m.run(["jailkit", "apply", ...ALL]);
});

test("nor is what another one has there, while somebody puts empty directories at its path", async () => {
  declare(user("vic"), user("web", "/srv/web"));
  m.must(["sh", "-c", `cd ${J}/srv/web && mkdir a b && touch a/file b/file`]);
  m.must(["install", "-d", "-o", "vic", `${J}/srv/project`, `${J}/srv/project/private`]);
  m.must(["install", "-o", "vic", "/etc/hostname", `${J}/srv/project/private/db`]);
  m.must(["chmod", "0777", `${J}/srv`]);
  declare(user("vic"));
  // Into the one of the two that is still there.
  const swap = `cd ${J}/srv && [ -d project ] && { [ -e web/a/file ] || to=b; [ -e web/b/file ] || to=a; [ -n "$to" ]; } && mv project web/$to/p && mv web aside && mkdir -p web/a/p web/b/p`;
  const again = `cd ${J}/srv/web && for at in a b; do [ "$(stat -c %u ../aside/$at/p)" != 0 ] || mkdir -p $at/p/private; done`;
  const stops = { calls: ["unlinkat", "fchownat"], paths: [] };
  const { status, stderr } = await runWithStops(m, ["jailkit", "apply", ...ALL], stops, () => {
    for (const line of [swap, again]) m.run(["sh", "-c", line]);
  });
  const found = ["a", "b"].some((name) => m.exists(`${J}/srv/aside/${name}/p/private/db`));
  expect([status, found, stderr]).toEqual([1, true, expect.stringContaining("/p' of 'vic' is in it")]);
  m.must(["sh", "-c", `rm -r ${J}/srv/web ${J}/srv/aside; chmod 755 ${J}/srv`]);
  declare();
  expect(did(m, ...ALL)).not.toEqual([]);
  expect([exists("web"), exists("vic")]).toEqual([false, false]);
});

test("nor is what another one has deeper than a path reaches, which a short line tells", () => {
  declare(user("vic"), user("web"));
  m.must(["install", "-d", "-o", "vic", `${J}/srv/project`, `${J}/srv/project/private`]);
  declare(user("vic"));
  const script = `import os\nsrc = os.open("${J}/srv", os.O_RDONLY)\nos.chdir("${J}/home/web")\nfor i in range(60):\n os.mkdir("d" * 200)\n os.chdir("d" * 200)\nos.rename("project", "p", src_dir_fd=src)`;
  m.must(["python3", "-c", script]);
  const { status, stderr } = m.run(["jailkit", "apply", ...ALL]);
  expect([status, stderr]).toEqual([0, expect.stringMatching(/ddd\[\.\.\.\]ddd.*\/p' of 'vic' is in it\n$/)]);
  expect(stderr.length).toBeLessThan(1024);
  m.must(["rm", "-r", `${J}/home/web`]);
  declare();
  expect(did(m, ...ALL)).not.toEqual([]);
});

test("nor is one that comes into the home while that is removed", async () => {
  declare(user("web", "/srv/web"));
  m.must(["install", "-d", "-m", "0777", `${J}/srv/shared`]);
  m.must(["useradd", "-m", "-d", `${J}/srv/shared/other`, "other"]);
  m.must(["sh", "-c", `cd ${J}/srv/web && mkdir a b && touch a/file b/file`]);
  declare();
  // As by a descriptor, into the one of the two that is still there.
  const swap = `cd ${J}/srv/.jk-gone-*/home && { [ -e a/file ] || mv ${J}/srv/shared/other b; [ -e b/file ] || mv ${J}/srv/shared/other a; }`;
  const stops = { calls: ["unlinkat"], paths: [] };
  const { status, stderr } = await runWithStops(m, ["jailkit", "apply", ...ALL], stops, () => {
    m.run(["sh", "-c", swap]);
  });
  const isIn = expect.stringContaining("of 'other' is in it");
  expect([status, stderr]).toEqual([1, isIn]);
  expect(stderr).toMatch(
    /warning: user web: '\/srv\/customer\/srv\/web' is removed, but for what is left in '\S+\.jk-gone-\S+'; the next run/,
  );
  const found = () => m.run(["sh", "-c", `ls ${J}/srv/.jk-gone-*/home/[ab]/other/.bashrc`]).status === 0;
  expect([exists("web"), found()]).toEqual([true, true]);
  expect(linesOf(m, ...ALL).summary.warnings).toEqual([isIn]);
  expect([exists("web"), found()]).toEqual([false, true]);
  m.must(["sh", "-c", `userdel other; rm -r ${J}/srv/.jk-gone-* ${J}/srv/shared`]);
});

test("nor is one that stays though its account is removed", () => {
  declare(user("web"), user("sub"));
  rehome("sub", "/home/web/sub");
  declare();
  const { changes } = linesOf(m, ...ALL);
  expect(changes.map(({ warnings }) => warnings)).toEqual([
    [expect.stringMatching(/stays: apply did not create it$/)],
    [expect.stringMatching(/stays: the home of 'sub' is in it$/)],
  ]);
  expect([exists("web"), exists("sub"), m.exists(`${J}/home/web/sub/.bashrc`)]).toEqual([false, false, true]);
  m.remove(`${J}/home/web`);
});

test("two of apply leave together, the inner one first, also with the jail", () => {
  declare(user("web"), user("sub"));
  rehome("sub", "/home/web/sub");
  // As if it had been created there.
  const once = "/var/lib/jailkit/declared.json";
  m.write(
    once,
    m.read(once).replace(`"createdHome":"${J}/./home/sub"`, `"createdHome":"${J}/./home/web/sub"`),
  );
  m.write(FILE, "");
  const plan = [
    `- user sub: account and its home ${J}/home/web/sub (no longer declared)`,
    `- user web: account and its home ${J}/home/web (no longer declared)`,
    `- jail ${J} (no longer declared)`,
  ];
  expect(planned("--check", ...ALL)).toEqual({ plan, faults: [] });
  expect(did(m, ...ALL)).toEqual(plan.map((line) => `done ${line}`));
  expect([exists("web"), exists("sub"), m.exists(J)]).toEqual([false, false, false]);
});

test("accounts of before whose homes cannot leave are told by --check, and only their logins end", () => {
  for (const name of ["dora", "inn"])
    m.addUser(name, { home: `/home/${name}`, createHome: true, shell: "/bin/sh" });
  declare(user("dora"), user("inn"));
  rehome("inn", "/home/dora/inn");
  declare();
  const faults = [
    expect.stringMatching(
      /^user inn: is not declared any more, and stays: .*inn' is not moved to '\/home\/inn'/,
    ),
    expect.stringMatching(/^user dora: is not declared any more, and stays: .* which holds that of 'inn'/),
  ];
  const plan = ["inn", "dora"].map((name) => `- user ${name}: entry in ${J} (no longer declared)`);
  for (const options of [["--check", ...ALL], ALL]) expect(planned(...options)).toEqual({ plan, faults });
  expect(m.read(`${J}/etc/passwd`)).not.toMatch(/^(?:dora|inn):/m);
  expect(planned(...ALL)).toEqual({ plan: [], faults });
  expect(linesOf(m).summary.warnings).toEqual(faults);
  // As it says: another home for inn, outside of it.
  m.must(["usermod", "-m", "-d", `${J}/./home/inn`, "inn"]);
  expect(did(m, ...ALL)).toEqual(
    ["dora", "inn"].map(
      (name) => `done - user ${name}: entry in ${J} -> out of it, with its home (no longer declared)`,
    ),
  );
  expect([m.exists("/home/dora"), m.exists("/home/inn")]).toEqual([true, true]);
  m.must(["sh", "-c", "userdel -r dora; userdel -r inn"]);
});

test("an account of before leaves after one of apply, whose home is in its own", () => {
  m.addUser("dora", { home: "/home/dora", createHome: true, shell: "/bin/sh" });
  declare(user("dora"), user("sub"));
  rehome("sub", "/home/dora/sub");
  declare();
  const plan = [
    expect.stringMatching(/^- user sub: account but not its home .* \(no longer declared\)$/),
    `- user dora: entry in ${J} -> out of it, with its home (no longer declared)`,
  ];
  expect(planned("--check", "--prune")).toEqual({ plan, faults: [] });
  expect(did(m, "--prune")).toEqual([
    expect.stringMatching(/^done - user sub: account but not its home /),
    `done ${plan[1]}`,
  ]);
  m.must(["userdel", "-r", "dora"]);
});

test("nor is that of another name service, however deep it is; too much in a home to look for it keeps no login", () => {
  m.addUser("dora", { home: "/home/dora", createHome: true, shell: "/bin/sh" });
  declare(user("web"), user("dora"));
  const nsswitch = m.read("/etc/nsswitch.conf");
  m.write("/etc/nsswitch.conf", nsswitch.replace(/^passwd:.*$/m, "passwd: files extrausers"));
  const far = `${J}/home/web/sites/of/far`;
  m.write("/var/lib/extrausers/passwd", `far:x:8001:8001::${far}:/bin/sh\n`);
  const much = (home: string) =>
    `import os\nfor i in range(1, 1002):\n d = f"${J}/home/${home}/many/{i}"\n os.makedirs(d)\n os.chown(d, 100000 + i, 0)`;
  for (const home of ["web", "dora"]) m.must(["python3", "-c", much(home)]);
  declare();
  const plan = [
    "- user web (no longer declared)",
    `- user dora: entry in ${J} -> out of it, with its home (no longer declared)`,
  ];
  const faults = ["web", "dora"].map((name) =>
    expect.stringMatching(
      new RegExp(
        `^user ${name}: '${J}/home/${name}' holds directories of more than 1000 uids: .*; put some of them elsewhere first$`,
      ),
    ),
  );
  expect(planned("--check", ...ALL)).toEqual({ plan, faults: [] });
  for (let count = 0; count < 2; count++) expect(planned(...ALL)).toEqual({ plan, faults });
  expect(["web", "dora"].map(exists)).toEqual([true, true]);
  // They cannot log in.
  expect(m.read(`${J}/etc/passwd`)).not.toMatch(/^(?:web|dora):/m);
  // As it says.
  m.must(["sh", "-c", `mv ${J}/home/web/many /srv; rm -r ${J}/home/dora/many`]);
  m.mkdir(`${J}/home/web/sites/of`);
  m.mkdir(far, { owner: [8001, 8001] });
  const { changes } = linesOf(m, ...ALL);
  expect(changes[0]?.warnings).toEqual([expect.stringMatching(/stays: the home of 'far' is in it$/)]);
  expect([exists("web"), m.exists(far), m.exists("/home/dora")]).toEqual([false, true, true]);
  m.must(["userdel", "-r", "dora"]);
  m.write("/etc/nsswitch.conf", nsswitch);
});

test("a home that stayed does not go with its jail while somebody has a home, or anything, in it", () => {
  m.remove(`${J}/home`);
  declare(user("web", "/srv/web"));
  m.must(["useradd", "-m", "-d", `${J}/srv/web/other`, "other"]);
  declare();
  linesOf(m, ...ALL);
  m.write(FILE, "");
  const faults = (what: string) => {
    for (const options of [["--check", ...ALL], ALL])
      expect(planned(...options)).toEqual({ plan: [], faults: [expect.stringMatching(new RegExp(what))] });
    expect([m.exists(`${J}/srv/web`), m.exists(`${J}/etc/passwd`)]).toEqual([true, true]);
  };
  const stays = `^jail ${J}: is not declared any more, and stays: `;
  faults(
    `${stays}'${J}/srv/web', which earlier runs left, stays: the home of 'other' is in it; move that out`,
  );
  m.must(["sh", "-c", `cd ${J}/srv/web && mv other .x`]);
  faults(`${stays}.*the home of 'other' is in it`);
  m.must(["sh", "-c", "install -d -o other /home/other && usermod -d /home/other other"]);
  // It is no home any more, and still that one's.
  faults(
    `${stays}${J}: has files of users other than root \\(other \\(uid \\d+\\): \\d+, as ${J}/srv/web/.x`,
  );
  m.must(["sh", "-c", `cd ${J}/srv/web && mv .x/.bashrc work && rm -r .x`]);
  faults(
    `${stays}${J}: has files of users other than root \\(other \\(uid \\d+\\): 1, as ${J}/srv/web/work\\)`,
  );
  m.remove(`${J}/srv/web/work`);
  expect(planned(...ALL)).toMatchObject({ faults: [] });
  expect(m.exists(J)).toBe(false);
  m.must(["userdel", "-r", "other"]);
});
