/**
 * Real quotas, in a kernel of the machine's own. root is above them, but for one without CAP_SYS_RESOURCE, as in many
 * containers: one line tells what is missing, nothing half done is left, and after room is made the same command goes on.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { type Machine, openMachine } from "../machine/machine.ts";
import { kernelWords } from "../machine/own-kernel.ts";
import { type LoginShell, openLoginShell } from "../words/login-shell.ts";

setDefaultTimeout(300_000);

const JAIL = "/q/jail";
let m: Machine;
let shell: LoginShell;
/** Types a line, and leaves out the progress that a slow machine sees. */
async function run(line: string): Promise<{ status: number; output: string }> {
  const { status, output } = await shell.type(line);
  return { status, output: output.replace(/^\w+: (?:[a-z ]+: )?\d+ of \d+ \w+ \(\d+ %\)\r?\n?/gm, "") };
}
/** Without what lets root pass by quotas. */
const limited = (line: string) => run(`setpriv --bounding-set -sys_resource ${line}`);

async function must(line: string): Promise<string> {
  const { status, output } = await run(line);
  if (status !== 0) throw new Error(`${line}: ${status}: ${output}`);
  return output;
}

/** How many KiB and files of the jail's project there are. */
async function used(): Promise<[kib: number, files: number]> {
  const [, kib, files] = /^#77 +\S+ +(\d+) +\d+ +\d+ +(\d+) /m.exec(await must("repquota -P /q")) ?? [];
  return [Number(kib), Number(files)];
}
const project = (kib: number, files: number) => must(`setquota -P 77 0 ${kib} 0 ${files} /q`);
const leftovers = () => must("find /q /var/lib/jailkit -name '.jk-*'");

beforeAll(async () => {
  m = await openMachine({ under: "ours", privilege: "setuid" });
  m.remove("/var/lib/jailkit");
  m.write("/etc/ssh/sshd_config", "AllowTcpForwarding no\nAllowStreamLocalForwarding no\n");
  m.must(["truncate", "-s", "300M", "/root/disk"]);
  m.must(["mkfs.ext4", "-q", "-O", "quota,project", "-E", "quotatype=usrquota:prjquota", "/root/disk"]);
  shell = await openLoginShell(m, "root", () => kernelWords(m, "/root/disk"));
  await must(
    `mkdir /q && mount -o usrquota,prjquota /dev/ubdb /q && mkdir ${JAIL} && chattr +P -p 77 ${JAIL}`,
  );
  await must(
    "useradd -m -p '*' bob && dd if=/dev/zero of=/home/bob/big bs=1M count=10 status=none && chown bob: /home/bob/big",
  );
  await must("ssh-keygen -q -t ed25519 -N '' -f /root/key");
});
afterAll(() => m?.close());

test("of a jail, in bytes", async () => {
  await project(4096, 0);
  const { status, output } = await limited(`jk_init -j ${JAIL} basicshell uidbasics > /dev/null`);
  expect([status, output]).toEqual([
    1,
    expect.stringMatching(
      /^jk_init: \/q\/jail: the quota is used up: \d MiB more are needed, 0 MiB are free \(\d+ of \d+ objects are in place\); make room, and run this again$/,
    ),
  ]);
  expect(await leftovers()).toBe("");
  await project(0, 0);
  expect(await limited(`jk_init -j ${JAIL} basicshell uidbasics > /dev/null`)).toEqual({
    status: 0,
    output: "",
  });
  expect(await run(`jk_check ${JAIL}`)).toEqual({ status: 0, output: "" });
});

test("of a jail, in files", async () => {
  await must("mkdir /opt/many && touch /opt/many/a /opt/many/b /opt/many/c /opt/many/d");
  const [, files] = await used();
  await project(0, files + 2);
  const { status, output } = await limited(`jk_cp -j ${JAIL} /opt/many > /dev/null`);
  expect([status, output]).toEqual([
    1,
    expect.stringMatching(
      /^jk_cp: \/q\/jail: the quota is used up: 4 more are needed, 0 can be created \(\d of \d objects are in place\); make room, and run this again$/,
    ),
  ]);
  await project(0, 0);
  expect(await limited(`jk_cp -j ${JAIL} /opt/many > /dev/null`)).toEqual({ status: 0, output: "" });
});

test.each(["of a jail", "of a user"])("%s: a home does not move", async (whose) => {
  const [kib] = await used();
  if (whose === "of a jail") await project(kib + 5000, 0);
  else await must("setquota -u bob 0 5000 0 0 /q");
  const { status, output } = await limited(`jk_jailuser -n -m -j ${JAIL} -s /bin/bash bob`);
  const free = whose === "of a jail" ? ", \\d MiB are free" : "";
  expect([status, output]).toEqual([
    1,
    expect.stringMatching(
      new RegExp(
        `^jk_jailuser: /q/jail: the quota is used up: 11 MiB more are needed${free} \\(nothing was moved\\); make room, and run this again$`,
      ),
    ),
  ]);
  expect(await leftovers()).toBe("");
  expect(await must("getent passwd bob")).toContain(":/home/bob:");
  expect(await must("ls /home/bob")).toBe("big");
  await project(0, 0);
  await must("setquota -u bob 0 0 0 0 /q");
});

test("of a user: no key is written, and it is later", async () => {
  expect(await limited(`jk_jailuser -n -m -j ${JAIL} -s /bin/bash bob`)).toEqual({ status: 0, output: "" });
  const kib = /^bob +\S+ +(\d+) /m.exec(await must("repquota -u /q"))?.[1];
  await must(`setquota -u bob 0 ${kib} 0 0 /q`);
  const words = `jk_jailuser -n -j ${JAIL} -s /bin/bash --authorized-key /root/key.pub bob`;
  expect(await limited(words)).toEqual({
    status: 1,
    output: `jk_jailuser: ${JAIL}: the quota is used up (not all is done for 'bob'); make room, and run this again`,
  });
  expect(await leftovers()).toBe("");
  await must("setquota -u bob 0 0 0 0 /q");
  expect(await limited(words)).toEqual({ status: 0, output: "" });
  expect(await must(`cat ${JAIL}/home/bob/.ssh/authorized_keys`)).toContain("ssh-ed25519 ");
});

test("a user's own project keeps no file of keys from being written", async () => {
  const bob = (line: string) => must(`setpriv --reuid bob --regid bob --clear-groups ${line}`);
  const home = `${JAIL}/home/bob`;
  await must("ssh-keygen -q -t ed25519 -N '' -f /root/second");
  const add = (file: string) => run(`jk_jailuser -n -j ${JAIL} -s /bin/bash --authorized-key ${file} bob`);
  await bob(`chattr +P -p 5 ${home}/.ssh`);
  expect(await add("/root/second.pub")).toEqual({ status: 0, output: "" });
  expect((await must(`cat ${home}/.ssh/authorized_keys`)).match(/ssh-ed25519/g)).toHaveLength(2);
  await bob(`rm -r ${home}/.ssh`);
  await bob(`chattr +P -p 6 ${home}`);
  expect(await add("/root/key.pub")).toEqual({ status: 0, output: "" });
  expect(await must(`lsattr -pd ${home}/.ssh ${home}/.ssh/authorized_keys`)).toMatch(/^ *6 .*\s+6 /s);
  expect(await leftovers()).toBe("");
});

test("of a jail: no account is made, and it is later", async () => {
  const [kib] = await used();
  await project(kib, 0);
  const words = `jk_addjailuser -j ${JAIL} -s /bin/bash --authorized-key /root/key.pub carla`;
  const { status, output } = await limited(words);
  expect([status, output]).toEqual([
    1,
    `jk_addjailuser: ${JAIL}: the quota is used up: 0 MiB are free (no account was created); make room, and run this again`,
  ]);
  expect((await run(`getent passwd carla || ls ${JAIL}/home/carla`)).status).toBe(2);
  await project(0, 0);
  expect((await limited(words)).status).toBe(0);
  expect(await run(`jk_check ${JAIL}`)).toEqual({ status: 0, output: "" });
});

test("root itself is above quotas", async () => {
  await project(4096, 0);
  await must("dd if=/dev/zero of=/opt/big bs=1M count=5 status=none");
  expect(await run(`jk_cp -j ${JAIL} /opt/big > /dev/null`)).toEqual({ status: 0, output: "" });
});
