/** What a user has moved to the place of the own home: no command that is printed gives it away. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/j";
const WEB = `${J}/srv/web`;
const FILE = "/etc/jailkit/jails.d/one.ini";
const ANEW = `mv -nT ${WEB}/hans ${WEB}/hans.old && mkdir -m 0700 ${WEB}/hans && chown +7001:`;

let m: Machine;
beforeAll(async () => {
  m = await openApplyMachine();
  const user = (name: string, uid: number, more = "") =>
    `[user ${name}]\njail = ${J}\nshell = /bin/bash\nuid = ${uid}\ngroups = team\n${more}`;
  m.write(FILE, `[jail ${J}]\nsections = uidbasics, basicshell\n`);
  m.must(["jailkit", "apply"]);
  m.must(["install", "-d", "-m", "0755", `${J}/srv`, WEB]);
  m.write(FILE, m.read(FILE) + user("hans", 7001, "home = /srv/web/hans\n") + user("eve", 7002));
  m.must(["jailkit", "apply"]);
  m.must(["chgrp", "team", WEB]);
});
afterAll(() => m?.close());

test.each([
  ["root's", "root", "0700"],
  ["root's, which others may enter", "root", "0755"],
  ["another user's", "eve", "0700"],
])(
  "a directory that is %s is kept, and a new home is advised, also after root has closed the one above",
  (_, owner, mode) => {
    m.must(["chmod", "0775", WEB]);
    m.must(["install", "-d", "-o", owner, "-m", mode, `${WEB}/secret`]);
    m.write(`${WEB}/secret/key`, "TOP", { mode: 0o644 });
    m.must(["sh", "-c", `cd ${WEB} && mv hans .h && mv secret hans`], { user: "hans" });
    const told = () => {
      const { stdout } = m.run(["jk_check", J]);
      const other = ["explain hans", "status"].map((line) => m.run(["jailkit", ...line.split(" ")]).stdout);
      return [stdout, ...other, m.run(["jailkit", "apply"]).stderr].map((text) =>
        text.replace(/\n {4}/g, " "),
      );
    };
    const GIVES = /(?:chown|chgrp) (?:-h )?\+7001[^&\n]*hans(?! \[exit)|chmod a\+r?x [^\n]*hans/;
    for (const change of ["true", `chmod +t ${WEB}`, `chmod 0755 ${WEB}`]) {
      m.must(["sh", "-c", change]);
      for (const text of told()) expect(text.replaceAll(ANEW, "")).not.toMatch(GIVES);
    }
    // Of somebody else, it may be the home: no program sets it aside.
    const isRoots = owner === "root";
    for (const text of told())
      expect(text).toContain(!isRoots && text.includes("FINDING") ? "jailkit explain hans" : ANEW);
    const { summary } = linesOf(m);
    const [problem] = summary.problems;
    const second = /; if not, keep .*: (mv -nT .*)$/.exec(problem?.message ?? "")?.[1];
    if (!isRoots)
      expect(problem?.message).toContain("if that is the home of 'eve', to whom it belongs, move it");
    m.must(["sh", "-c", (isRoots ? problem?.remedy : (problem?.remedy ?? second)) ?? "false"]);
    expect(linesOf(m).summary.problems).toEqual([]);
    expect(m.run(["cat", `${WEB}/hans.old/key`]).stdout).toBe("TOP");
    m.must(["sh", "-c", `cd ${WEB} && rm -r hans hans.old && mv .h hans`]);
    expect(linesOf(m).summary.problems).toEqual([]);
  },
);
