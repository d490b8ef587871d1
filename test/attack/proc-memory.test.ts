/**
 * proc in a jail, and servers that write where their client says: /proc/self/mem is the server's own memory, including
 * its code, and no filter of execve(2) sees that.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { checkReportSchema } from "../../src/check/report/report-schema.ts";
import { type Machine, openMachine, type Sshd } from "../machine/machine.ts";
import { reportOf } from "../report.ts";

setDefaultTimeout(120_000);

const jail = "/srv/jail";
const memory = "/proc/self/mem";
let m: Machine;
let sshd: Sshd;

beforeAll(async () => {
  m = await openMachine({
    under: "ours",
    only: ["jk_addjailuser", "jk_check", "jk_chrootsh", "jk_init", "jk_lsh", "jk_update"],
  });
  m.write("/etc/jailkit/jk_init.d/test.ini", "[withproc]\nneed_proc = 1\n");
  m.must(["jk_init", "-j", jail, "jk_lsh", "sftp", "scp", "rsync", "withproc"]);
  m.must(["jk_addjailuser", "-j", jail, "test"]);
  m.must(["usermod", "-p", "*", "test"]);
  m.write(
    `${jail}/etc/jailkit/jk_lsh.ini`,
    "[test]\npaths = /usr/bin\nexecutables = /usr/bin/rsync, /usr/bin/scp, /usr/lib/openssh/sftp-server\n",
  );
  m.write("/root/f", "A".repeat(5000));
  sshd = await m.startSshd();
});
afterAll(() => m?.close());

const cwd = "/root";
/** The output of each server that is asked to write there. */
function written(): string[] {
  const sftp = ["sftp", ...sshd.clientOptions, "-b", "-", "test@127.0.0.1"];
  return [
    m.run(["rsync", "--inplace", "-e", sshd.command, "f", `test@127.0.0.1:${memory}`], { cwd }),
    m.run(["scp", "-O", ...sshd.clientOptions, "f", `test@127.0.0.1:${memory}`], { cwd }),
    m.run(sftp, { cwd, stdin: `put f ${memory}\n` }),
  ].map(({ status, stderr }) => (status === 0 ? "written" : stderr.trim()));
}

test("no server writes into its own memory: proc is mounted so that nothing can be written", () => {
  const [rsync, scp, sftp] = written();
  expect(rsync).toContain(`open "${memory}" failed: Read-only file system (30)`);
  expect(scp).toBe(`scp: ${memory}: Read-only file system`);
  expect(sftp).toContain(`dest open "${memory}": `);
  // What is read there, is.
  m.must(["jk_init", "-j", jail, "withproc"]);
  expect(m.read("/etc/fstab").match(/^proc .*$/gm)).toEqual([
    `proc ${jail}/proc proc ro,nosuid,nodev,noexec,hidepid=2,nofail 0 0`,
  ]);
  expect(m.run(["jk_check", "-j", jail]).stdout).not.toContain("proc");
  expect(m.must(["chroot", "--userspec=1:1", jail, "/usr/bin/rsync", "/proc/self/status"]).stdout).not.toBe(
    "",
  );
});

test("where it can be written, rsync and scp do get there, jk_check reports it, and its remedy ends that", () => {
  m.must(["mount", "-o", "remount,rw", `${jail}/proc`]);
  const [rsync, scp, sftp] = written();
  // It was opened; what was written is refused, for nothing is mapped at the address 0. rsync may end before its own word
  // for that has come.
  expect(rsync).not.toBe("written");
  expect(rsync).not.toContain("Read-only");
  expect(scp).toBe(`scp: ${memory}: Input/output error`);
  // OpenSSH's takes its own /proc/self away from its user.
  expect(sftp).toBe(`dest open "${memory}": Permission denied`);
  const { jails } = reportOf(checkReportSchema, m.run(["jk_check", "--json", "-j", jail]).stdout);
  const found = jails.flatMap(({ findings }) => findings).filter(({ rule }) => rule === "proc-writable");
  expect(found.map(({ path }) => path)).toEqual([`${jail}/proc`]);
  m.must(["sh", "-c", found[0]?.remedy ?? ""]);
  expect(written()[0]).toContain("Read-only file system (30)");
});
