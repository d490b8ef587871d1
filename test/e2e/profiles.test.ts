/** The sections of jk_init.ini for languages, databases and editors do real work as an ordinary user. */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { shellWord } from "../../src/cli/shell-word.ts";
import { populateReportSchema } from "../../src/populate/report-schema.ts";
import { type Machine, openMachine, type Sshd } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { check } from "./check-helper.ts";
import { askFastCgi } from "./profiles-fastcgi.ts";
import { startServers } from "./profiles-scene.ts";
import { PROFILES } from "./profiles-work.ts";

const ALL = "/srv/all";
const HOME = "/home/u";
const ID = { uid: 4001, gid: 4001 };

let m: Machine;
let sshd: Sshd;

beforeAll(async () => {
  m = await openMachine({ under: "ours" });
  // Programs that somebody installed there come before those of the packages.
  m.remove("/usr/local/bin");
  m.mkdir("/usr/local/bin");
  m.addUser("gituser", { createHome: true });
  await startServers(m);
  sshd = await m.startSshd();
}, 300_000);
afterAll(async () => m.close());

/** The words with the home of the user in place. */
const atHome = (text: string) => text.replaceAll("{home}", HOME);
const environment = (env: Readonly<Record<string, string>> = {}) =>
  Object.fromEntries(Object.entries(env).map(([key, value]) => [key, atHome(value)]));

/** A home with the key for sshd. */
function makeHome(jail: string): void {
  const owner = [ID.uid, ID.gid] as const;
  m.mkdir(`${jail}${HOME}`, { mode: 0o700, owner });
  const key = sshd.clientOptions[sshd.clientOptions.indexOf("-i") + 1] ?? "";
  m.write(`${jail}${HOME}/key`, m.read(key), { mode: 0o600, owner });
}

const filled: Record<string, { files: number; megabytes: number }> = {};

describe("alone in a jail", () => {
  for (const [section, steps] of Object.entries(PROFILES))
    test(section, () => {
      const jail = `/srv/${section}`;
      const { status, stdout, stderr } = m.run(["jk_init", "--json", "-j", jail, section]);
      expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
      const { actions, warnings } = reportOf(populateReportSchema("jk_init"), stdout);
      expect(warnings).toEqual([]);
      const files = actions.filter(({ type }) => type === "file");
      const bytes = files.reduce((sum, { size = 0 }) => sum + size, 0);
      filled[section] = { files: files.length, megabytes: Math.ceil(bytes / 1e6) };
      m.write(`${jail}/etc/passwd`, `root:x:0:0::/root:/bin/sh\nu:x:${ID.uid}:${ID.gid}::${HOME}:/bin/sh\n`);
      makeHome(jail);
      const user = [`--userspec=+${ID.uid}:+${ID.gid}`, `--groups=+${ID.gid}`];
      for (const { argv, stdin = "", env, stdout: expected } of steps) {
        const run = m.run(["chroot", ...user, jail, ...argv.map(atHome)], {
          stdin,
          env: { PATH: "/usr/local/bin:/usr/bin:/bin", HOME, TERM: "xterm", ...environment(env) },
        });
        expect({ argv, status: run.status, err: run.status ? run.stderr : "" }).toEqual({
          argv,
          status: 0,
          err: "",
        });
        expect(run.stdout).toMatch(expected);
      }
      expect(check(m, "--run", jail).found.filter(({ subject }) => subject !== "accounts")).toEqual([]);
    }, 120_000);
});

describe("a login", () => {
  beforeAll(() => {
    m.must(["jk_init", "-j", ALL, "basicshell", ...Object.keys(PROFILES)]);
    m.addUser("u", { uid: ID.uid, home: `${ALL}/./${HOME}`, shell: "/usr/sbin/jk_chrootsh" });
    m.must(["jk_jailuser", "-n", "-s", "/bin/bash", "-j", ALL, "u"]);
    makeHome(ALL);
  }, 120_000);
  for (const [section, steps] of Object.entries(PROFILES))
    test(section, () => {
      for (const { argv, stdin = "", env, stdout: expected } of steps) {
        const settings = Object.entries(environment(env)).map(([key, value]) => `${key}=${value}`);
        const line = ["env", ...settings, ...argv.map(atHome)].map(shellWord).join(" ");
        const run = m.run(["jk_chrootsh", "-c", line], { user: "u", stdin, env: { TERM: "xterm" } });
        expect({ line, status: run.status, err: run.status ? run.stderr : "" }).toEqual({
          line,
          status: 0,
          err: "",
        });
        expect(run.stdout).toMatch(expected);
      }
    }, 120_000);
});

test("php-fpm serves a site from its jail", async () => {
  const version = m.list("/etc/php").at(-1);
  const jail = "/srv/php";
  const pool = ["[global]", "error_log = /tmp/fpm.log", "[site]", "listen = /tmp/fpm.sock", "pm = static"];
  m.write(`${jail}/etc/site.conf`, [...pool, "pm.max_children = 1", ""].join("\n"));
  m.write(`${jail}/srv/site.php`, '<?php echo "session ", session_start() ? PHP_SAPI : "", "\\n";');
  const fpm = m.start([
    "jk_chrootlaunch",
    "-j",
    jail,
    "-u",
    "gituser",
    "-x",
    `/usr/sbin/php-fpm${version}`,
    "--",
    "-F",
    "-O",
    "-y",
    "/etc/site.conf",
  ]);
  const socket = `/proc/${m.pid}/root${jail}/tmp/fpm.sock`;
  await fpm.until(({ stderr }) => stderr.includes("ready to handle connections") || undefined);
  expect(await askFastCgi(socket, "/srv/site.php")).toContain("session fpm-fcgi");
  fpm.kill();
});

test("no secret of the host and of other sites comes along", () => {
  const version = m.list("/etc/php").at(-1);
  const secrets = [
    `/etc/php/${version}/fpm/pool.d/other-site.conf`,
    "/var/lib/php/sessions/sess_1",
    "/etc/mysql/debian.cnf",
    "/etc/mysql/conf.d/backup.cnf",
    "/etc/mysql/mariadb.conf.d/60-galera.cnf",
    "/etc/postgresql-common/user_clusters",
    "/etc/postgresql-common/pg_service.conf",
    "/etc/ssl/private/site.key",
    "/etc/npmrc",
    "/etc/gemrc",
    "/root/.npmrc",
  ];
  for (const path of secrets) m.write(path, "SECRET-OF-ANOTHER-SITE\n");
  m.must(["jk_init", "-j", "/srv/secrets", "basicshell", ...Object.keys(PROFILES)]);
  const found = m.run(["grep", "-rlI", "SECRET-OF-ANOTHER-SITE", "/srv/secrets", "--exclude-dir=proc"]);
  expect(found.stdout).toBe("");
}, 120_000);

/** The rows of the table in docs/panels.md, as measured: JK_FIGURES=write puts them there. */
test("docs/panels.md has the sizes of the sections", () => {
  const file = join(import.meta.dir, "../../docs/panels.md");
  const text = readFileSync(file, "utf8");
  const [, before = "", table = "", after = ""] =
    /^([\s\S]*<!-- sections -->\n)([\s\S]*?)(<!-- end of sections -->[\s\S]*)$/.exec(text) ?? [];
  const rows = Object.entries(filled).map(
    ([section, { files, megabytes }]) => `| \`${section}\` | ${files} | ${megabytes} |\n`,
  );
  if (Bun.env.JK_FIGURES === "write")
    writeFileSync(file, `${before}| section | files | MB |\n|---|---|---|\n${rows.join("")}${after}`);
  if (Bun.env.JK_FIGURES === "print") console.log(rows.join(""));
  const documented = [...table.matchAll(/^\| `(\w+)` \| \d+ \| (\d+) \|$/gm)];
  expect(documented.map(([, section]) => section)).toEqual(Object.keys(filled));
  // Other packages of the machine add modules of their own; Node.js may be another distributor's.
  const isLarger = ([, section = "", megabytes]: readonly string[]) =>
    Number(megabytes) > 2 * (filled[section]?.megabytes ?? 0);
  expect(documented.filter(isLarger)).toEqual([]);
});
