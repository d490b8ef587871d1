/** A problem in a report has the command that its message advises, and that heals it. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { REPORT_SCHEMAS } from "../../build/schemas.ts";
import { type Machine, openMachine } from "../machine/machine.ts";
import { reportOf, reportToolOf } from "../report.ts";

setDefaultTimeout(120_000);

const J = "/srv/jail";
let m: Machine;
beforeAll(async () => {
  m = await openMachine({ under: "ours" });
  m.must(["jk_init", "-j", J, "uidbasics"]);
});
afterAll(() => m?.close());

interface Problem {
  readonly message: string;
  readonly remedy: string | null;
}

/** All problems in a report. */
const problemsIn = (value: unknown): Problem[] => {
  if (typeof value !== "object" || value === null) return [];
  const own = Object.entries(value);
  return own.flatMap(([key, one]) => (key === "problems" ? (one as Problem[]) : problemsIn(one)));
};

test.each<[what: string, scene: string, command: string, begin: string, again?: string]>([
  [
    "jk_init",
    "echo '/opt /srv/live/usr none bind 0 0' >>/etc/fstab",
    "jk_init --live --json -j /srv/live",
    "sed -i",
  ],
  [
    "jailkit mount",
    "umount /srv/live/usr; touch /srv/live/usr/x",
    "jailkit mount --json /srv/live",
    "mv -nT",
  ],
  [
    "jk_update",
    `mount --bind ${J} ${J}; mount -o remount,bind,ro ${J}; echo '# x' >>/etc/ld.so.conf`,
    `jk_update --json -j ${J}`,
    "mount -o ",
  ],
  [
    "jk_init, of a link that opens a jail",
    "umount /srv/jail; mkdir /srv/open; ln -s /tmp /srv/open/usr; chmod 1777 /tmp",
    "jk_init --json -j /srv/open basicshell",
    "mv -nT /srv/open/usr ",
  ],
  [
    "jk_init, of a record that cannot be written",
    `jk_cp -j ${J} true; chattr +i $(grep -l ${J} /var/lib/jailkit/jails/*/manifest.json)`,
    `jk_cp --json -j ${J} env`,
    "chattr -i /var/lib/jailkit/jails/",
  ],
  [
    "jk_update, of a file that cannot be replaced",
    `echo x >/usr/local/bin/held; jk_cp -j ${J} /usr/local/bin/held; echo y >>/usr/local/bin/held; chattr +i ${J}/usr/local/bin/held`,
    `jk_update --json -j ${J}`,
    `chattr -i ${J}/usr/local/bin/held`,
  ],
  [
    "jk_check, of a jail that was moved",
    "mkdir /srv/far; jk_init -j /srv/went uidbasics; mv /srv/went /srv/far/went",
    "jk_check --json /srv/went",
    "jailkit adopt --moved /srv/went /srv/far/went",
    "jk_check --json /srv/far/went",
  ],
  [
    "jk_check, of tests on a file system without programs",
    "mkdir /srv/noexec; mount -t tmpfs -o mode=755,noexec none /srv/noexec; jk_init -j /srv/noexec basicshell",
    "jk_check --run --json /srv/noexec",
    "mount -o ",
  ],
  [
    "jailkit mount, of a copy",
    "jk_init --live -j /srv/shown; umount /srv/shown/usr; cp -a /srv/shown /srv/copied",
    "jailkit mount --json /srv/copied",
    "jk_init --live -j /srv/copied",
  ],
])("of %s", (_, scene, command, begin, again = command) => {
  m.must(["sh", "-ec", scene]);
  const problems = (line: string) => {
    const words = line.split(" ");
    return problemsIn(reportOf(REPORT_SCHEMAS[reportToolOf(words)], m.run(words).stdout));
  };
  const [problem, ...more] = problems(command);
  expect(more).toEqual([]);
  expect(problem?.remedy).toStartWith(begin);
  expect(problem?.message).toContain(problem?.remedy ?? "");
  m.must(["sh", "-ec", problem?.remedy ?? "false"]);
  expect(problems(again)).toEqual([]);
});
