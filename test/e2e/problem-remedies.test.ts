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

test.each<[string, string, string, string]>([
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
])("of %s", (_, scene, command, begin) => {
  m.must(["sh", "-ec", scene]);
  const words = command.split(" ");
  const problems = () => problemsIn(reportOf(REPORT_SCHEMAS[reportToolOf(words)], m.run(words).stdout));
  const [problem, ...more] = problems();
  expect(more).toEqual([]);
  expect(problem?.remedy).toStartWith(begin);
  expect(problem?.message).toContain(problem?.remedy ?? "");
  m.must(["sh", "-ec", problem?.remedy ?? "false"]);
  expect(problems()).toEqual([]);
});
