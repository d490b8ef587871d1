/**
 * The commands of docs/migration.md, typed as shown: what an account could do before (with rush and with sshd's own
 * confinement), what it can and cannot do after, and the way back.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine, RunResult } from "../machine/machine.ts";
import { openTerminal } from "../machine/terminal.ts";
import { openStage, type Stage } from "../words/scene.ts";
import { MIGRATION } from "../words/scenes/migration.ts";
import { allowKey, blocksUnder, client, follow, makeKey, shown } from "./recipes-scene.ts";

setDefaultTimeout(120_000);

const PAGE = "docs/migration.md";
const options = ["-i", "/root/key", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no"];
const remote = ["ssh", "-q", ...options].join(" ");

let stage: Stage;
let m: Machine;
const must = (line: string) => stage.must(line);
/** Types the n-th block below a heading that is not marked. */
const block = (heading: string, n: number) => {
  const all = blocksUnder(PAGE, heading);
  const wanted = all.filter(({ notRun }) => notRun === undefined)[n];
  return follow(stage, heading, wanted === undefined ? -1 : all.indexOf(wanted), PAGE);
};
/** Types a command from the middle of a sentence. */
const inline = (line: string) => must(shown(PAGE, line));
const entry = (user: string) => must(`getent passwd ${user}`);

const login = (user: string, command: string): RunResult => m.run(client([], user, command));
const sftp = (user: string, batch: string): RunResult =>
  m.run(["sftp", "-q", ...options, "-b", "-", `${user}@127.0.0.1`], { stdin: batch });
const oldScp = (user: string): RunResult =>
  m.run(["scp", "-q", "-O", ...options, "/etc/hostname", `${user}@127.0.0.1:by-scp`]);
const rsync = (user: string): RunResult =>
  m.run(["rsync", "-e", remote, "/etc/hostname", `${user}@127.0.0.1:by-rsync`]);
const clone = (user: string, path: string): RunResult =>
  m.run(["git", "clone", "-q", `ssh://${user}@127.0.0.1${path}`, `/root/clone-${Math.random()}`], {
    env: { PATH: "/usr/bin:/bin", HOME: "/root", GIT_SSH_COMMAND: remote },
  });
const works = { status: 0 };
const put = "put /etc/hostname up\n";
const mode = (path: string) => must(`stat -c '%U %a' ${path}`);

async function reloadSshd(): Promise<void> {
  // The unit may not be started too often; this forgets how often it was.
  await must("systemctl reset-failed ssh && systemctl restart ssh");
}

beforeAll(async () => {
  stage = await openStage(MIGRATION);
  m = stage.m;
  makeKey(m);
  for (const name of ["bob", "dave", "erin", "gina"]) await must(allowKey(name, `/home/${name}`));
  await must(allowKey("carol", "/srv/scp/incoming"));
  // He has no home outside of the directory that sshd confines him to.
  m.write("/etc/ssh/keys/frank", m.read("/root/key.pub"));
  m.write("/etc/ssh/sshd_config.d/keys.conf", "AuthorizedKeysFile .ssh/authorized_keys /etc/ssh/keys/%u\n");
  await reloadSshd();
});
afterAll(() => m?.close());

describe("there and back", () => {
  const heading = "How to move an account, and back";

  test("an account moves with its key, and works as the page says", async () => {
    const before = await entry("bob");
    await must("echo mine > /home/bob/file");
    for (const n of [0, 1, 2]) await block(heading, n);
    expect(sftp("bob", `${put}get file /root/from-bob\n`)).toMatchObject(works);
    expect(m.read("/root/from-bob")).toBe("mine\n");
    expect(oldScp("bob")).toMatchObject(works);
    expect(rsync("bob")).toMatchObject(works);
    expect(login("bob", "id").status).toBe(4);
    await block(heading, 3);
    expect(await entry("bob")).toBe(before);
    expect(await mode("/home/bob/up")).toStartWith("bob ");
    expect(m.exists("/srv/jail/home/bob")).toBe(false);
  });
});

test("rssh", async () => {
  await block("From rssh", 0);
  expect(sftp("bob", "put /etc/hostname new\n")).toMatchObject(works);
  expect(await mode("/srv/jail/home/bob/new")).toBe("bob 640");
  expect(rsync("bob")).toMatchObject(works);
  expect(oldScp("bob").status).not.toBe(0);
  expect((await stage.shell.type("jailkit config check")).output).not.toMatch(/error|warning/);
});

test("scponly", async () => {
  await must("echo mine > /srv/scp/incoming/file");
  await block("From scponly", 0);
  await block("From scponly", 1);
  expect(sftp("carol", `${put}get file /root/from-carol\nget /incoming/file /root/by-link\n`)).toMatchObject(
    works,
  );
  expect(m.read("/root/by-link")).toBe("mine\n");
  expect(oldScp("carol")).toMatchObject(works);
  expect(login("carol", "id").status).not.toBe(0);
  // sshd's process of the last session may still be ending.
  await stage.shell.type("pidwait -u carol");
  await inline("jk_jailuser -n -m --unjail -s /usr/sbin/scponlyc carol");
  await inline("usermod -d /srv/scp//incoming carol");
  expect(await entry("carol")).toEndWith(":/srv/scp//incoming:/usr/sbin/scponlyc");
  expect(m.read("/srv/scp/incoming/file")).toBe("mine\n");
  const left = await stage.shell.type("jailkit config check");
  expect(left).toMatchObject({ status: 1, output: expect.stringContaining("'carol'") });
  await must("sed -i '/^.carol.$/,$d' /srv/jail/etc/jailkit/jk_lsh.ini && jailkit config check");
});

test("lshell", async () => {
  await block("From lshell", 0);
  const session = openTerminal(m, client(["-tt"], "dave", ""), { env: { TERM: "dumb" } });
  await session.see(/\$ /);
  await session.type("umask; mkdir made; ls\n", /0027\r\nmade/);
  await session.type("find .\n", "find: command not found");
  session.process.write("exit\n");
  await session.process.ended;
  expect(sftp("dave", put)).toMatchObject(works);
  expect(await mode("/srv/dave/home/dave/up")).toBe("dave 640");
  await inline("jk_jailuser -n -m --unjail -s /usr/bin/lshell dave");
  expect(await entry("dave")).toEndWith(":/home/dave:/usr/bin/lshell");
});

describe("GNU rush", () => {
  const heading = "From GNU rush";
  const upload = (name: string) => sftp("erin", `put /etc/hostname ${name}\n`);

  test("before", async () => {
    await block(heading, 0);
    expect(upload("one")).toMatchObject(works);
    expect(await mode("/home/erin/one")).toBe("erin 640");
    expect(clone("erin", "/srv/git/project.git")).toMatchObject(works);
    expect(clone("erin", "/srv/other.git").status).not.toBe(0);
    expect(login("erin", "id").status).not.toBe(0);
  });

  test("after", async () => {
    await block(heading, 1);
    expect(upload("two")).toMatchObject(works);
    expect(await mode("/srv/erin/home/erin/two")).toBe("erin 640");
    expect(clone("erin", "/srv/git/project.git")).toMatchObject(works);
    expect(clone("erin", "/srv/other.git").status).not.toBe(0);
    expect(login("erin", "id").status).toBe(4);
  });

  test("a forced command runs in the jail", async () => {
    const forced = shown(PAGE, "force = /usr/lib/openssh/sftp-server -R");
    const policy = "/srv/erin/etc/jailkit/jk_lsh.ini";
    const before = m.read(policy);
    m.write(policy, before.replace("[erin]\n", `[erin]\n${forced}\n`));
    expect(sftp("erin", "cd /\nget srv/git/project.git/HEAD /root/head\n")).toMatchObject(works);
    expect(sftp("erin", "get /etc/machine-id /root/id\n").status).not.toBe(0);
    expect(upload("never").stderr).toContain("Permission denied");
    m.write(policy, before);
  });

  test("and back", async () => {
    await block(heading, 2);
    expect(await entry("erin")).toEndWith(":/home/erin:/usr/sbin/rush");
    expect(upload("three")).toMatchObject(works);
    expect(m.exists("/home/erin/two")).toBe(true);
  });
});

describe("ChrootDirectory", () => {
  const heading = "From ChrootDirectory and internal-sftp";
  const DROP_IN = "/etc/ssh/sshd_config.d/confined.conf";
  const confine = async () => {
    m.write(DROP_IN, `${blocksUnder(PAGE, heading)[0]?.text}\n`);
    await reloadSshd();
  };

  test("before", async () => {
    await confine();
    expect(sftp("frank", "put /etc/hostname /files/up\n")).toMatchObject(works);
    expect(rsync("frank").status).not.toBe(0);
  });

  test("after", async () => {
    m.remove(DROP_IN);
    await block(heading, 0);
    await reloadSshd();
    expect(sftp("frank", "get up /root/from-frank\n")).toMatchObject(works);
    expect(rsync("frank")).toMatchObject(works);
    expect(oldScp("frank")).toMatchObject(works);
    expect(login("frank", "id").status).not.toBe(0);
  });

  test("with both, no login works", async () => {
    await confine();
    m.write(DROP_IN, m.read(DROP_IN).replace(/^.*ForceCommand.*\n/m, ""));
    await reloadSshd();
    expect(sftp("frank", "ls\n").status).not.toBe(0);
  });

  test("and back", async () => {
    await inline("jk_jailuser -n -m --unjail -s /usr/sbin/nologin frank");
    await inline("usermod -d /files frank");
    await confine();
    expect(sftp("frank", "cd /files\nget by-rsync /root/again\n")).toMatchObject(works);
  });
});

test("a panel's shell", async () => {
  await must("echo mine > /home/gina/file");
  await block("From a panel's bubblewrap shell", 0);
  expect(login("gina", "cat file; pwd; ls /home")).toMatchObject({ stdout: "mine\n/home/gina\ngina\n" });
  login("gina", "echo theirs > other");
  expect(m.read("/home/gina/other")).toBe("theirs\n");
});
