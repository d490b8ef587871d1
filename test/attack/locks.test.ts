/** A user holds a lock on each directory and file of the host that he can open: no tool of root's waits for him. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { type Machine, type MachineProcess, openMachine } from "../machine/machine.ts";

setDefaultTimeout(120_000);

let m: Machine;
let holder: MachineProcess;
let dotFiles: string[];
const HOLD = `use Fcntl qw(:DEFAULT :flock); $| = 1; my @held;
for (@ARGV) { sysopen(my $f, $_, O_RDONLY) or next; flock($f, LOCK_EX | LOCK_NB) or next; push @held, $f; print "held $_\\n" }
print "ready\\n"; sleep 1000 while 1;`;
beforeAll(async () => {
  m = await openMachine({ under: "ours", only: ["jk_init", "jailkit"] });
  m.write("/etc/jailkit/jk_init.d/test.ini", "[one]\npaths = cat\nneed_proc = 1\nneed_logsocket = 1\n");
  dotFiles = m.list("/etc").filter((name) => name.startsWith("."));
  m.must(["jk_init", "-j", "/srv/first", "one"]);
  m.addUser("mallory");
  // Not the jail's proc, which could not be unmounted then.
  const found = m.must([
    "find",
    "/etc",
    "/srv",
    "/var/lib/jailkit",
    "-name",
    "proc",
    "-prune",
    "-o",
    "-print",
  ]).stdout;
  holder = m.start(["perl", "-e", HOLD, ...found.trim().split("\n")], { user: "mallory" });
  await holder.until(({ stdout }) => (stdout.includes("ready\n") ? true : undefined));
});
afterAll(async () => m.close());

test("jk_init and jailkit delete change /etc/fstab all the same", async () => {
  m.must(["jk_init", "-j", "/srv/second", "one"]);
  expect(m.read("/etc/fstab")).toContain(" /srv/second/proc ");
  m.must(["jailkit", "delete", "--yes", "/srv/first"]);
  expect(m.read("/etc/fstab")).not.toContain(" /srv/first/proc ");
  const lock = m.stat("/var/lib/jailkit/jails");
  expect([lock?.uid, lock?.mode]).toEqual([0, 0o40700]);
  expect(m.list("/etc").filter((name) => name.startsWith("."))).toEqual(dotFiles);
  holder.kill();
  const { stdout } = await holder.ended;
  expect(stdout).toContain("held /etc\n");
});
