/** /dev/fd, /dev/stdin, /dev/stdout and /dev/stderr in jails with proc: bash opens them for <(...), and scripts by name. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { checkReportSchema } from "../../src/check/report/report-schema.ts";
import { type Machine, openMachine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";

setDefaultTimeout(120_000);

const LINKS = ["fd", "stderr", "stdin", "stdout"];
let m: Machine;
beforeAll(async () => {
  m = await openMachine({ under: "ours" });
  m.remove("/var/lib/jailkit");
});
afterAll(async () => m.close());

const linksOf = (jail: string) =>
  m
    .list(`${jail}/dev`)
    .filter((name) => LINKS.includes(name))
    .sort();
const findings = (jail: string) =>
  reportOf(checkReportSchema, m.run(["jk_check", "--json", jail]).stdout).jails.flatMap((one) =>
    one.findings.map(({ rule, path }) => `${rule} ${path}`),
  );

for (const [jail, ...live] of [["/srv/copied"], ["/srv/live", "--live"]] as const) {
  test(`${jail}: they come with proc and go with it, and each tool knows them`, () => {
    m.must(["jk_init", ...live, "-j", jail, "basicshell", "extendedshell"]);
    expect(linksOf(jail)).toEqual([]);
    m.must(["jk_init", "-j", jail, "processes"]);
    expect(linksOf(jail)).toEqual(LINKS);
    for (const name of LINKS) expect(m.readlink(`${jail}/dev/${name}`)).toBe(m.readlink(`/dev/${name}`));
    expect(m.must(["jk_init", "-j", jail, "processes"])).toMatchObject({ stdout: "", stderr: "" });
    const user = `u${live.length}`;
    m.must(["jk_addjailuser", "-j", jail, "-s", "/bin/bash", user]);
    const script =
      "cat <(echo a) /dev/stdin; diff <(echo b) <(echo b) && echo same; (echo c | tee /dev/stderr >/dev/stdout) 2>&1 | cat";
    const { stdout, stderr } = m.must(["jk_chrootsh", "-c", script], { user, stdin: "typed\n" });
    expect({ stdout, stderr }).toEqual({ stdout: "a\ntyped\nsame\nc\nc\n", stderr: "" });
    expect(findings(jail)).toEqual([]);
    expect(m.run(["jk_update", "--check", "-j", jail])).toMatchObject({ status: 0, stdout: "" });

    m.remove(`${jail}/dev/fd`);
    m.remove(`${jail}/dev/stderr`);
    m.symlink("/etc", `${jail}/dev/stderr`);
    expect(findings(jail).sort()).toEqual([`different-link ${jail}/dev/stderr`, `missing ${jail}/dev/fd`]);
    m.must(["jk_update", "-j", jail]);
    expect(findings(jail)).toEqual([]);
    expect(m.readlink(`${jail}/dev/stderr`)).toBe("/proc/self/fd/2");

    m.must(["jk_init", "--remove", "-j", jail, "processes"]);
    expect(linksOf(jail)).toEqual([]);
    m.must(["jk_init", "-j", jail, "ps"]);
    expect(linksOf(jail)).toEqual(LINKS);
    m.must(["jailkit", "delete", "--yes", "--unjail", "--user-files", jail]);
    expect(m.exists(jail)).toBe(false);
  });
}

test("a jail whose section asks for proc since, gets them by jk_update; what the host lacks is not made up", () => {
  const [jail, file] = ["/srv/old", "/etc/jailkit/jk_init.d/own.ini"];
  m.write(file, "[own]\ndevices = /dev/null\n");
  m.must(["jk_init", "-j", jail, "own"]);
  m.write(file, "[own]\ndevices = /dev/null\nneed_proc = 1\n");
  m.remove("/dev/stderr");
  m.must(["jk_update", "-j", jail]);
  expect(linksOf(jail)).toEqual(["fd", "stdin", "stdout"]);
  m.write("/dev/stderr", "no link");
  expect(m.run(["jk_update", "--check", "-j", jail]).status).toBe(0);
  m.remove("/dev/stderr");
  m.symlink("/proc/self/fd/2", "/dev/stderr");
  m.must(["jk_update", "-j", jail]);
  expect(linksOf(jail)).toEqual(LINKS);
  m.write(file, "[own]\ndevices = /dev/null\n");
  m.must(["jk_update", "-j", jail]);
  expect(linksOf(jail)).toEqual([]);
});
