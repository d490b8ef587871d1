/**
 * What jk_addjailuser and jk_jailuser give an account besides its place in the jail: groups, keys, services. Keys and
 * services are proved by real logins, through an sshd that reads the user's own authorized_keys.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { jailUserReportSchema, newUserReportSchema } from "../../src/users/report-schema.ts";
import { type Machine, openMachine, type RunOptions, type Sshd } from "../machine/machine.ts";
import { reportOf } from "../report.ts";

setDefaultTimeout(240_000);

const jail = "/srv/jail";
const policyFile = `${jail}/etc/jailkit/jk_lsh.ini`;
let m: Machine;
let sshd: Sshd;
let defaultPolicy = "";

beforeAll(async () => {
  m = await openMachine({ under: "ours" });
  sshd = await m.startSshd({ config: ["AuthorizedKeysFile .ssh/authorized_keys", "StrictModes yes"] });
  m.mkdir(jail);
  m.must(["jk_init", "-j", jail, "jk_lsh", "sftp", "scp", "rsync", "gitserver"]);
  m.must(["groupadd", "--system", "jailed"]);
  m.must(["groupadd", "project"]);
  defaultPolicy = m.read(policyFile);
  for (const name of ["one", "two", "rsa"])
    m.must([
      "ssh-keygen",
      "-q",
      "-t",
      name === "rsa" ? "rsa" : "ed25519",
      "-N",
      "",
      "-C",
      name,
      "-f",
      `/root/${name}`,
    ]);
});

afterAll(() => m?.close());

const add = (words: string[], options: RunOptions = {}) =>
  m.run(["jk_addjailuser", "-j", jail, ...words], options);
const move = (words: string[], options: RunOptions = {}) =>
  m.run(["jk_jailuser", "-n", "-j", jail, ...words], options);
const publicKey = (name: string) => m.read(`/root/${name}.pub`);
const keysOf = (name: string) => `${jail}/home/${name}/.ssh/authorized_keys`;
const inJail = (file: string, name: string) =>
  m
    .read(`${jail}/etc/${file}`)
    .split("\n")
    .find((line) => line.startsWith(`${name}:`));
/** `ssh USER@127.0.0.1 COMMAND` with this key alone. */
const ssh = (user: string, key: string, ...command: string[]) => {
  const options = sshd.clientOptions.map((word) =>
    word === "/run/machine-ssh/client" ? `/root/${key}` : word,
  );
  return m.run(["ssh", "-o", "IdentitiesOnly=yes", ...options, `${user}@127.0.0.1`, ...command]);
};
const sftp = (user: string, key: string, batch: string) => {
  const options = sshd.clientOptions.map((word) =>
    word === "/run/machine-ssh/client" ? `/root/${key}` : word,
  );
  return m.run(["sftp", ...options, "-b", "-", `${user}@127.0.0.1`], { stdin: batch, cwd: "/root" });
};
const state = () => [m.read("/etc/passwd"), m.read("/etc/group"), m.read("/etc/shadow"), m.snapshot(jail)];
let pam = false;
/** A sshd as distributions have it: with PAM. */
async function usePam(): Promise<void> {
  if (pam) return;
  sshd.process.kill();
  await sshd.process.ended;
  m.remove("/run/machine-ssh");
  sshd = await m.startSshd({
    config: ["AuthorizedKeysFile .ssh/authorized_keys", "StrictModes yes", "UsePAM yes"],
  });
  pam = true;
}
let next = 0;
/** An account of the machine with a home, as yet in no jail. */
function newUser(): string {
  const name = `w${next++}`;
  m.addUser(name, { home: `/home/${name}`, createHome: true, shell: "/bin/bash" });
  m.must(["usermod", "-p", "*", name]);
  return name;
}

describe("one command", () => {
  test("creates an account that logs in with its key, transfers files, and does nothing else", () => {
    const words = [
      "--group",
      "jailed",
      "--authorized-key",
      "/root/one.pub",
      "--policy",
      "sftp,scp,rsync",
      "ann",
    ];
    const made = add(words);
    expect(made).toMatchObject({ status: 0, stdout: "" });
    // Nothing is left to report.
    expect(made.stderr).not.toContain("jk_addjailuser: 'ann'");
    expect(m.must(["id", "-nG", "ann"]).stdout).toBe("users jailed\n");
    expect(inJail("group", "jailed")).toMatch(/^jailed:x:\d+:ann$/);
    const { uid, gid } = m.ids("ann");
    expect(m.stat(`${jail}/home/ann/.ssh`)).toMatchObject({ uid, gid, mode: 0o40700 });
    expect(m.stat(keysOf("ann"))).toMatchObject({ uid, gid, mode: 0o100600 });
    expect(m.read(keysOf("ann"))).toBe(publicKey("one"));
    expect(m.read(policyFile)).toBe(
      `${defaultPolicy}\n[ann]\npaths = /usr/lib/openssh, /usr/bin\n` +
        "executables = /usr/lib/openssh/sftp-server, /usr/bin/scp, /usr/bin/rsync\n",
    );
    m.must(["jailkit", "config", "check", policyFile]);

    m.write("/root/letter", "hello\n");
    expect(sftp("ann", "one", "put letter\n")).toMatchObject({ status: 0 });
    expect(m.read(`${jail}/home/ann/letter`)).toBe("hello\n");
    expect(ssh("ann", "one", "rsync", "--version").status).toBe(0);
    expect(ssh("ann", "one", "id")).toMatchObject({ status: 4, stdout: "" });
    expect(ssh("ann", "two", "rsync", "--version").status).toBe(255);
    // An account with a key alone has no password that matches, and is not locked.
    expect(m.read("/etc/shadow")).toMatch(/^ann:\*:/m);
    m.must(["jk_update", "-j", jail]);
    expect(m.read(policyFile)).toContain("\n[ann]\n");
  });

  test("moves an existing account in, and everything else of it stays", () => {
    const name = newUser();
    const { uid, gid } = m.ids(name);
    m.must(["usermod", "-G", "project", name]);
    m.mkdir(`/home/${name}/.ssh`, { mode: 0o775, owner: [uid, gid] });
    const old = `# mine\nrestrict ${publicKey("two").trim()}`;
    m.write(`/home/${name}/.ssh/authorized_keys`, old, { mode: 0o664, owner: [uid, gid] });
    m.write("/root/both", `${publicKey("one")}\r\n\n# the second\n${publicKey("rsa")}`);
    const words = ["-m", "-v", "-G", "jailed", "--authorized-key", "/root/both", "--policy", "rsync", name];
    const moved = move(words);
    expect(moved.status).toBe(0);
    expect(moved.stdout).toContain(`added 2 keys to '${keysOf(name)}'`);
    expect(m.must(["id", "-nG", name]).stdout).toBe(`${name} jailed project\n`);
    expect(m.read(keysOf(name))).toBe(`${old}\n${publicKey("one")}${publicKey("rsa")}`);
    expect(m.stat(`${jail}/home/${name}/.ssh`)).toMatchObject({ uid, gid, mode: 0o40700 });
    expect(m.stat(keysOf(name))).toMatchObject({ uid, gid, mode: 0o100600 });
    for (const key of ["one", "two", "rsa"]) expect(ssh(name, key, "rsync", "--version").status).toBe(0);

    const before = state();
    const again = move(["-v", "-G", "jailed", "--authorized-key", "/root/both", "--policy", "rsync", name]);
    expect(again.status).toBe(0);
    expect(again.stdout).toContain(`2 of the keys are in '${keysOf(name)}' already`);
    expect(again.stdout).toContain(`the section [${name}] is in '${policyFile}' already`);
    expect(state()).toEqual(before);
    expect(
      reportOf(
        jailUserReportSchema,
        move(["--json", "-G", "jailed", "--authorized-key", "/root/both", name]).stdout,
      ),
    ).toMatchObject({
      users: [{ status: "unchanged" }],
    });
    // The line that restricts the key is not the one that was given, and stays.
    expect(move(["--authorized-key", "/root/two.pub", name]).stderr).toContain("with other options");
    expect(m.read(keysOf(name))).toStartWith(old);

    const out = m.must(["jk_jailuser", "-m", "--unjail", name]);
    expect(out.stderr).toContain(`gpasswd -d ${name} jailed`);
    m.must(["gpasswd", "-d", name, "jailed"]);
    expect(m.must(["id", "-nG", name]).stdout).toBe(`${name} project\n`);
  });

  test("lets git clone and push", () => {
    expect(add(["--authorized-key", "/root/one.pub", "--policy", "git", "gina"]).status).toBe(0);
    const { uid, gid } = m.ids("gina");
    m.must(["git", "init", "-q", "--bare", `${jail}/home/gina/r.git`]);
    m.must(["chown", "-R", `${uid}:${gid}`, `${jail}/home/gina/r.git`]);
    const command = sshd.command.replace("/run/machine-ssh/client", "/root/one");
    const env = { PATH: "/usr/bin:/bin", HOME: "/root", GIT_SSH_COMMAND: command };
    const git = (...words: string[]) =>
      m.must(["git", "-c", "user.name=T", "-c", "user.email=t@example.org", ...words], { env, cwd: "/root" });
    git("clone", "-q", "gina@127.0.0.1:r.git", "work");
    m.write("/root/work/file", "x\n");
    git("-C", "work", "add", "file");
    git("-C", "work", "commit", "-q", "-m", "first");
    git("-C", "work", "push", "-q", "origin", "HEAD:main");
    expect(
      m.must(["git", "-c", "safe.directory=*", "-C", `${jail}/home/gina/r.git`, "log", "--format=%s", "main"])
        .stdout,
    ).toBe("first\n");
    expect(ssh("gina", "one", "rsync", "--version").status).toBe(4);
  });
});

describe("keys", () => {
  test("that others could have written do not let them in: no key is added until they were looked at", () => {
    expect(add(["--authorized-key", "/root/one.pub", "--policy", "rsync", "lax"]).status).toBe(0);
    // As another user of the jail could.
    m.write(keysOf("lax"), publicKey("two"), { owner: [m.ids("lax").uid, m.ids("lax").gid] });
    m.chmod(keysOf("lax"), 0o666);
    const given = () => move(["--authorized-key", "/root/rsa.pub", "lax"]);
    const { status, stderr } = given();
    expect(ssh("lax", "two", "rsync", "--version").status).toBe(255);
    expect([status, stderr]).toEqual([
      ...[
        1,
        expect.stringContaining(`'${keysOf("lax")}' can be written by others, whose keys would become valid`),
      ],
    ]);
    const [, make = "false", put] = /no key is written there; (.*); read .*; then: (.*)/.exec(stderr) ?? [];
    m.must(["sh", "-c", `${make} && ${put}`]);
    expect(given().status).toBe(0);
    expect(ssh("lax", "rsa", "rsync", "--version").status).toBe(0);
  });

  test("for a home that is somebody else's: what the message says to type helps", () => {
    const home = `${jail}/home/left`;
    m.mkdir(home, { owner: [4242, 100] });
    const created = () => add(["--authorized-key", "/root/one.pub", "--policy", "sftp", "left"]);
    const { status, stderr } = created();
    expect([status, stderr]).toEqual([1, expect.stringContaining("belongs to uid 4242")]);
    const [, remedy = "false"] = /: (mv -nT .*)/.exec(stderr) ?? [];
    m.must(["sh", "-c", remedy]);
    expect(created().status).toBe(0);
    expect([m.stat(`${home}.old`)?.uid, m.read(keysOf("left"))]).toEqual([4242, publicKey("one")]);
    m.must(["sh", "-c", `userdel -r left; rm -r ${home}.old; sed -i /^left:/d ${jail}/etc/passwd`]);
  });

  test("come from standard input, and PAM lets the account in too", async () => {
    expect(
      add(["--authorized-key", "-", "--policy", "rsync", "ida"], { stdin: publicKey("one") }).status,
    ).toBe(0);
    const name = newUser();
    // What is asked otherwise would take its answer from the keys.
    const words = ["jk_jailuser", "-m", "-j", jail, "--authorized-key", "-", "--policy", "rsync", name];
    expect(m.run(words, { stdin: publicKey("one") }).status).toBe(0);
    await usePam();
    for (const user of ["ida", name]) expect(ssh(user, "one", "rsync", "--version").status).toBe(0);
  });

  const bad: [what: string, text: () => string, reason: string][] = [
    ["a private key", () => m.read("/root/one"), "is a private key, which only its user should have"],
    ["a key of PuTTY", () => "PuTTY-User-Key-File-3: ssh-ed25519\n", "is a private key"],
    [
      "the format of RFC 4716",
      () => m.must(["ssh-keygen", "-e", "-f", "/root/one.pub"]).stdout,
      "ssh-keygen -i -f FILE",
    ],
    ["a program", () => "\x7fELF\x02\x01\x01\0", "holds control bytes"],
    ["nothing", () => "# none\n\n", "holds no public key"],
    ["too much", () => `${"#".repeat(70_000)}\n`, "is longer than 65536 bytes"],
    ["an account file", () => m.read("/etc/shadow"), "line 1: is not a public key of OpenSSH"],
    [
      "a key that was cut off",
      () => publicKey("one").slice(0, 60),
      "line 1: the key is damaged or was cut off",
    ],
    [
      "an option with a slip",
      () => `restric ${publicKey("one")}`,
      "line 1: 'restric' is not an option of sshd; did you mean 'restrict'?",
    ],
    [
      "a second line",
      () => `${publicKey("one")}ssh-dss AAAA\n`,
      "line 2: sshd rejects keys of the type 'ssh-dss'",
    ],
  ];
  test.each(bad)("%s is an error for both tools, and nothing is changed", (_, text, reason) => {
    m.write("/root/given", text());
    const name = newUser();
    const before = state();
    for (const result of [
      add(["--authorized-key", "/root/given", "nobody1"]),
      add(["--authorized-key", "-", "nobody1"], { stdin: text() }),
      move(["--authorized-key", "/root/given", name]),
    ]) {
      expect(result).toMatchObject({ status: 1, stdout: "" });
      expect(result.stderr).toContain(reason);
      expect(result.stderr.trim()).not.toContain("\n");
      expect(result.stderr).not.toContain("root:");
    }
    expect(state()).toEqual(before);
  });

  test.each([
    ["/root/none", "No such file"],
    ["/root", "is not a regular file"],
    ["/dev/zero", "is not a regular file"],
  ])("%s is not a file of keys", (file, reason) => {
    const before = state();
    expect(add(["--authorized-key", file, "nobody1"])).toMatchObject({
      status: 1,
      stderr: expect.stringContaining(reason),
    });
    expect(state()).toEqual(before);
  });

  test("may come from several files, and groups and services from several options", () => {
    const keys = ["--authorized-key", "/root/one.pub", "--authorized-key=-", "--authorized-key", "-"];
    const words = ["-G", "jailed", "-Gproject,jailed", "--policy", "scp", "--policy=rsync,scp"];
    expect(add([...keys, ...words, "several"], { stdin: publicKey("two") }).status).toBe(0);
    expect(m.read(keysOf("several"))).toBe(publicKey("one") + publicKey("two"));
    expect(m.must(["id", "-nG", "several"]).stdout).toBe("users jailed project\n");
    expect(m.read(policyFile)).toContain(
      "[several]\npaths = /usr/bin\nexecutables = /usr/bin/scp, /usr/bin/rsync\n",
    );
  });

  test("need a home", () => {
    const name = newUser();
    const before = state();
    for (const result of [
      add(["-M", "--authorized-key", "/root/one.pub", "nobody1"]),
      move(["--authorized-key", "/root/one.pub", name]),
    ])
      expect(result).toMatchObject({ status: 1, stderr: expect.stringContaining("home") });
    expect(state()).toEqual(before);
  });

  test("an sshd that reads them elsewhere, or accepts none, is reported", () => {
    m.write("/etc/ssh/sshd_config", "AuthorizedKeysFile /etc/ssh/keys/%u\n");
    const words = ["--authorized-key", "/root/one.pub"];
    expect(add([...words, "eve1"]).stderr).toContain("reads this user's keys from /etc/ssh/keys/%u");
    m.write("/etc/ssh/sshd_config", "PubkeyAuthentication no\n");
    expect(add([...words, "eve2"]).stderr).toContain("PubkeyAuthentication");
    m.write("/etc/ssh/sshd_config", "");
    expect(add([...words, "eve3"]).stderr).not.toContain("this user's keys");
  });

  test("of an account that useradd(8) locked do not count for an sshd without PAM, and the remedy fixes it", () => {
    m.write("/etc/ssh/sshd_config", "UsePAM no\n");
    m.must(["jk_addjailuser", "-j", jail, "loc"]);
    const given = move(["--authorized-key", "/root/one.pub", "loc"]);
    expect(given.status).toBe(0);
    const [, command] =
      /^jk_jailuser: warning: 'loc' is locked .* no password; fix it with: (.*)$/m.exec(given.stderr) ?? [];
    expect(command).toBe("usermod -p '*' loc");
    m.must(["sh", "-c", command ?? "false"]);
    expect(move(["--authorized-key", "/root/one.pub", "loc"]).stderr).not.toContain("is locked");
    m.write("/etc/ssh/sshd_config", "UsePAM yes\n");
    m.must(["usermod", "-p", "!", "loc"]);
    expect(move(["--authorized-key", "/root/one.pub", "loc"]).stderr).not.toContain("is locked");
    m.write("/etc/ssh/sshd_config", "");
  });

  test("if they cannot be written, the account is removed again", () => {
    const useradd = "/usr/sbin/useradd";
    m.rename(useradd, `${useradd}.whole`);
    const link = `ln -s /etc/motd '${jail}/home/ned/.ssh'`;
    m.write(useradd, `#!/bin/sh\nuseradd.whole "$@"\n${link}\n`, { mode: 0o755 });
    const before = [m.read("/etc/passwd"), m.read(`${jail}/etc/passwd`), m.read(`${jail}/etc/group`)];
    const result = add(["--authorized-key", "/root/one.pub", "ned"]);
    m.rename(`${useradd}.whole`, useradd);
    expect(result.status).toBe(1);
    expect(result.stderr).toContain("is a symbolic link");
    expect(result.stderr).toContain("the account 'ned' was removed again");
    expect([m.read("/etc/passwd"), m.read(`${jail}/etc/passwd`), m.read(`${jail}/etc/group`)]).toEqual(
      before,
    );
  });
});

describe("services", () => {
  test("a program that is not in the jail is an error with the command that adds it", () => {
    m.mkdir("/srv/small jail");
    m.must(["jk_init", "-j", "/srv/small jail", "jk_lsh", "rsync"]);
    const words = ["jk_addjailuser", "-j", "/srv/small jail", "--policy", "sftp,rsync,git", "sam"];
    const before = m.read("/etc/passwd");
    const result = m.run(words);
    expect(result.status).toBe(1);
    expect(result.stderr).toContain("has no sftp-server, git-upload-pack, git-receive-pack; ");
    expect(m.read("/etc/passwd")).toBe(before);
    const [, command = ""] = result.stderr.trim().split("add it with: ");
    expect(command).toBe("jk_init -j '/srv/small jail' sftp gitserver");
    m.must(["sh", "-c", command]);
    expect(m.run(words).status).toBe(0);
    expect(m.read("/srv/small jail/etc/jailkit/jk_lsh.ini")).toContain("[sam]\n");
    // What no section of jk_init.ini brings jk_cp does.
    expect(add(["--policy", "hg", "sam2"]).stderr).toContain(`add it with: jk_cp -j ${jail} hg\n`);
  });

  test("an existing section is never extended, and others are not touched", () => {
    const own =
      "# hand-made\r\n[kim]\nexecutables=/usr/bin/rsync\numask = 077\n[DEFAULT]\nexecutables = /usr/bin/scp";
    m.write(policyFile, own);
    const before = state();
    for (const dry of [[], ["--dry-run"]]) {
      const refused = add([...dry, "--policy", "rsync,scp", "kim"]);
      expect(refused.status).toBe(1);
      expect(refused.stderr).toContain(
        `'${policyFile}', line 2: a section [kim] exists already and allows /usr/bin/rsync; it was not changed`,
      );
    }
    expect(state()).toEqual(before);
    expect(add(["-v", "--policy", "rsync", "kim"]).stdout).toContain("is in");
    expect(m.read(policyFile)).toBe(own);
    expect(add(["--policy", "rsync", "lee"]).status).toBe(0);
    expect(m.read(policyFile)).toBe(`${own}\n\n[lee]\npaths = /usr/bin\nexecutables = /usr/bin/rsync\n`);
    // A section in a drop-in counts as well.
    m.mkdir(`${jail}/etc/jailkit/jk_lsh.d`);
    m.write(`${jail}/etc/jailkit/jk_lsh.d/mo.ini`, "[mo]\nexecutables = /usr/bin/true\n");
    const there = add(["--policy", "rsync", "mo"]);
    expect(there).toMatchObject({ status: 1, stderr: expect.stringContaining("jk_lsh.d/mo.ini', line 1") });
  });

  test("the sftp-server is the one that sshd names, if it is in the jail", () => {
    const section = (name: string) =>
      new RegExp(`\\[${name}\\]\npaths = (.*)\nexecutables = (.*)\n`).exec(m.read(policyFile));
    for (const [name, subsystem, path] of [
      ["sf1", "/usr/lib/sftp-server -l INFO", "/usr/lib/sftp-server"],
      ["sf2", "internal-sftp", "/usr/lib/openssh/sftp-server"],
      ["sf3", "/opt/none/sftp-server", "/usr/lib/openssh/sftp-server"],
    ] as const) {
      m.write("/etc/ssh/sshd_config", `Subsystem sftp ${subsystem}\n`);
      expect(add(["--policy", "sftp", name]).status).toBe(0);
      expect(section(name)?.slice(1)).toEqual([path.slice(0, path.lastIndexOf("/")), path]);
    }
    m.write("/etc/ssh/sshd_config", "");
  });

  test("a section of an earlier account with the same name is reported", () => {
    const { stderr } = add(["lee2"]);
    expect(stderr).not.toContain("already");
    m.write(policyFile, `${m.read(policyFile)}\n[old]\nexecutables = /usr/bin/scp\n`);
    const inherits = add(["old"]);
    expect(inherits.status).toBe(0);
    expect(inherits.stderr).toMatch(
      /^jk_addjailuser: warning: '.*jk_lsh\.ini', line \d+: a section \[old\] exists already and allows the new account to run: \/usr\/bin\/scp$/m,
    );
  });

  test("a file that is broken, or that others can change, is refused as jk_lsh would", () => {
    const text = m.read(policyFile);
    m.write(policyFile, `${text}[broken\n`);
    expect(add(["--policy", "rsync", "pat"])).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("jk_lsh.ini:"),
    });
    m.write(policyFile, text);
    m.chmod(policyFile, 0o664);
    expect(add(["--policy", "rsync", "pat"])).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("copy it to a file of root's"),
    });
    m.chmod(policyFile, 0o644);
    expect(add(["--policy", "rsync", "pat"]).status).toBe(0);
    expect(m.stat(policyFile)).toMatchObject({ uid: 0, gid: 0, mode: 0o100644 });
  });

  test("accounts that are created at the same time all get their section", async () => {
    const names = Array.from({ length: 6 }, newUser);
    const running = names.map((name) => m.start(["jk_jailuser", "-n", "-j", jail, "--policy", "scp", name]));
    for (const one of running) expect((await one.ended).status).toBe(0);
    for (const name of names) expect(m.read(policyFile)).toContain(`\n[${name}]\n`);
  });

  test.each([
    [["--policy", "sftp,rsnyc"], "there is no 'rsnyc'; did you mean 'rsync'?"],
    [["--policy", "none"], "without --policy and a section, nothing is allowed"],
    [["--policy", ""], "there is no ''"],
    [["--policy", "mosh"], "there are: sftp, scp, rsync, git"],
    [["--policy", "rsync", "-s", "/usr/bin/rsync"], "--policy is for the limited shell jk_lsh"],
    [
      ["-G", "jialed"],
      "there is no group 'jialed'; did you mean 'jailed'? Otherwise create it with: groupadd jialed",
    ],
    [["-G", "jailed,"], "there is no group ''"],
  ])("%j is refused by both tools before anything changes", (words, reason) => {
    const name = newUser();
    const before = state();
    for (const dry of [[], ["--dry-run"]]) {
      for (const result of [add([...dry, ...words, "nobody1"]), move([...dry, "-m", ...words, name])]) {
        expect(result).toMatchObject({ status: 1, stdout: "" });
        expect(result.stderr).toContain(reason);
      }
    }
    expect(state()).toEqual(before);
  });

  test.each([
    ["DEFAULT", "a section [DEFAULT] would apply to others too"],
    ["group users", "'group users' cannot be jailed, because of the name: it begins with 'group '"],
    ["member users", "'member users' cannot be jailed, because of the name: it begins with 'member '"],
  ])("an account named %j gets no section, because it would apply to others", (name, why) => {
    m.write("/etc/passwd", `${m.read("/etc/passwd")}${name}:x:5555:100::/home/odd:/bin/sh\n`);
    const before = state();
    const { status, stderr } = move(["--policy", "scp", name]);
    expect([status, stderr]).toEqual([1, expect.stringContaining(why)]);
    expect(state()).toEqual(before);
    m.write("/etc/passwd", m.read("/etc/passwd").replace(/^.*:5555:.*\n/m, ""));
  });

  test("a missing primary group is an error, and so are options that add something with --unjail", () => {
    const before = state();
    const typo = add(["-g", "projct", "nobody1"]);
    expect(typo).toMatchObject({ status: 1, stdout: "" });
    expect(typo.stderr).toBe(
      "jk_addjailuser: there is no group 'projct'; did you mean 'project'? Otherwise create it with: groupadd projct\n",
    );
    for (const words of [
      ["-G", "jailed"],
      ["--policy", "scp"],
      ["--authorized-key", "/root/one.pub"],
    ])
      expect(m.run(["jk_jailuser", "--unjail", ...words, "ann"])).toMatchObject({
        status: 1,
        stderr: expect.stringContaining("cannot be used with --unjail"),
      });
    expect(state()).toEqual(before);
    m.must(["groupdel", "jailed"]);
    expect(add(["-G", "jailed", "nobody1"]).stderr).toContain("create it with: groupadd --system jailed");
    m.must(["groupadd", "--system", "jailed"]);
  });
});

describe("what is still missing", () => {
  test("is reported, and the printed commands add it", async () => {
    await usePam();
    m.write(policyFile, defaultPolicy);
    const { status, stderr } = add(["tom"]);
    expect(status).toBe(0);
    const lines = stderr.split("\n").filter((line) => line.startsWith("jk_addjailuser: 'tom'"));
    expect(lines).toEqual([
      "jk_addjailuser: 'tom' has no password and no key, and cannot log in; fix it with: passwd tom; or instead: " +
        `jk_jailuser -n -j ${jail} --authorized-key FILE tom`,
      `jk_addjailuser: 'tom' can run nothing: no section of '${policyFile}' is for it; fix it with: ` +
        `jk_jailuser -n -j ${jail} --policy sftp,scp,rsync,git tom`,
    ]);
    const before = m.run(["jailkit", "explain", "tom", "--", "rsync", "--version"]);
    expect(before.status).not.toBe(0);
    m.must(["sh", "-c", `jk_jailuser -n -j ${jail} --authorized-key /root/one.pub tom`]);
    // What useradd(8) locked stays so: with PAM, as here, that keeps no key out.
    m.must(["sh", "-c", lines[1]?.split("fix it with: ")[1] ?? "false"]);
    expect(ssh("tom", "one", "rsync", "--version").status).toBe(0);
  });

  test("is what was not added", () => {
    expect(add(["-p", "$6$x", "--policy", "scp", "uma"]).stderr).not.toContain("'uma'");
    expect(add(["-p", "$6$x", "-s", "/usr/bin/rsync", "val"]).stderr).not.toContain("'val'");
    expect(add(["--authorized-key", "/root/one.pub", "wim"]).stderr).not.toContain("no key");
    m.write(policyFile, `${defaultPolicy}[group users]\nexecutables = /usr/bin/scp\n`);
    expect(add(["-p", "$6$x", "xia"]).stderr).not.toContain("'xia'");
    m.write(policyFile, defaultPolicy);
    const name = newUser();
    expect(move([name]).stderr).toContain(`'${name}' can run nothing`);
    expect(move(["--policy", "scp", name]).stderr).not.toContain("can run nothing");
    m.mkdir("/srv/bare/etc");
    m.write("/srv/bare/etc/passwd", "");
    const bare = m.run(["jk_addjailuser", "-j", "/srv/bare", "yan"]);
    const remedy = "jk_init -j /srv/bare sftp && jk_jailuser -n -j /srv/bare --policy sftp yan";
    expect(bare.stderr).toContain(`none of sftp, scp, rsync, git is in the jail; fix it with: ${remedy}\n`);
    m.must(["sh", "-c", remedy]);
    expect(m.read("/srv/bare/etc/jailkit/jk_lsh.ini")).toStartWith("\n[yan]\n");
  });

  test("a service that does not start in the jail is not added, and the remedy adds all of it", () => {
    const python = m.must(["readlink", "-f", "/usr/bin/python3"]).stdout.trim();
    m.write("/usr/bin/hg", `#!${python}\nimport os\n`, { mode: 0o755 });
    const words = ["--policy", "hg", "--authorized-key", "/root/one.pub", "hgonly"];
    const noLibrary = `/usr/bin/hg needs the standard library of ${python}, which is missing`;
    for (const why of ["has no hg", `/usr/bin/hg: needs ${python}, a program that is missing`, noLibrary]) {
      if (why === noLibrary) m.remove(`${jail}${python.replace("/bin/", "/lib/")}`);
      expect(add(["--dry-run", ...words])).toMatchObject({ status: 1, stdout: "" });
      const { status, stderr } = add(words);
      expect([status, stderr]).toEqual([1, expect.stringContaining(why)]);
      m.must(["sh", "-c", /add it with: (.*)/.exec(stderr)?.[1] ?? "false"]);
    }
    expect(add(words)).toMatchObject({ status: 0 });
    expect(m.run(["chroot", jail, "/usr/bin/hg"])).toMatchObject({ status: 0, stderr: "" });
  });

  test("--json distinguishes what was done from what would be done", () => {
    const words = ["--json", "--authorized-key", "/root/one.pub", "--policy", "scp", "xena"];
    const access = (...more: string[]): string[] =>
      reportOf(newUserReportSchema, add([...more, ...words]).stdout).access;
    expect(access("--dry-run")).toEqual([
      `would add 1 key to '${keysOf("xena")}'`,
      `would add the section [xena] to '${policyFile}': /usr/bin/scp`,
    ]);
    expect(access()).toEqual([
      `added 1 key to '${keysOf("xena")}'`,
      `added the section [xena] to '${policyFile}': /usr/bin/scp`,
    ]);
  });

  test("--dry-run and --json show all of it, and nothing is changed", () => {
    const before = m.snapshot(jail);
    const words = [
      "--dry-run",
      "-G",
      "jailed",
      "--authorized-key",
      "/root/one.pub",
      "--policy",
      "scp",
      "zoe",
    ];
    const { stdout } = add(words);
    expect(stdout).toContain("would have added it to the group 'jailed'");
    expect(stdout).toContain(`would add 1 key to '${keysOf("zoe")}'`);
    expect(stdout).toContain(`would add the section [zoe] to '${policyFile}': /usr/bin/scp`);
    const { missing, groups, access } = reportOf(
      newUserReportSchema,
      add(["--dry-run", "--json", "-G", "jailed", "zoe"]).stdout,
    );
    expect(missing.map(({ code }) => code)).toEqual(["password-or-key", "policy"]);
    expect([groups, access]).toEqual([["users", "jailed"], []]);
    const name = newUser();
    const planned = move([
      "-m",
      "--dry-run",
      "-G",
      "jailed",
      "--authorized-key",
      "/root/one.pub",
      "--policy",
      "scp",
      name,
    ]);
    for (const line of [
      `would add '${name}' to the group 'jailed'`,
      `would add 1 key to '${keysOf(name)}'`,
      `would add the section [${name}] to '${policyFile}'`,
    ])
      expect(planned.stdout).toContain(line);
    expect(m.snapshot(jail)).toEqual(before);
  });
});
