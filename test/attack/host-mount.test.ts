/**
 * A directory of the host's own is mounted in a jail, and can be written there: no tool writes or removes anything
 * through it, however it is mounted. All of the host's /usr is compared before and after.
 */
import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type Machine, openMachine } from "../machine/machine.ts";

setDefaultTimeout(120_000);

const jail = "/srv/live";
let m: Machine;

/** What changed in the host's /usr and /opt since the first call: each file with the time of its last change. */
const changes = () =>
  m.must([
    "sh",
    "-c",
    "find /usr /opt -xdev -printf '%p %m %U %G %s %C@\\n' | sort > /tmp/now\n" +
      "[ -e /tmp/before ] || mv /tmp/now /tmp/before\n[ ! -e /tmp/now ] || diff /tmp/before /tmp/now || :",
  ]).stdout;

beforeAll(async () => {
  m = await openMachine({
    under: "ours",
    only: [
      "jk_init",
      "jk_cp",
      "jk_update",
      "jk_check",
      "jk_addjailuser",
      "jk_jailuser",
      "jailkit",
      "jk_chrootsh",
    ],
  });
  const section = "paths = /usr/bin/id, /usr/bin/env, /usr/share/misc/live\nemptydirs = /usr/lib/empty\n";
  m.write("/etc/jailkit/jk_init.d/test.ini", `[one]\n${section}[two]\npaths = /usr/bin/cat\n`);
  m.write("/usr/share/misc/live", "the host's", { mode: 0o4755 });
  m.write("/opt/tool/bin/run", "the host's");
  m.addUser("lily");
  m.must(["mount", "--make-rprivate", "/"]);
  changes();
});
afterAll(async () => m.close());
afterEach(() => {
  m.run(["umount", "--recursive", "--lazy", jail]);
  m.run(["jailkit", "delete", "--yes", "--unjail", "--user-files", jail]);
});

const bind = (from: string, to: string, ...options: string[]) => {
  m.must(["mkdir", "-p", to]);
  m.must(["mount", "--bind", from, to]);
  if (options.length > 0) m.must(["mount", ...options, to]);
};
const links = () => {
  for (const name of ["bin", "sbin", "lib", "lib64"]) m.symlink(`usr/${name}`, `${jail}/${name}`);
};

/** Ways to mount it. */
const WAYS: Readonly<Record<string, () => void>> = {
  writable: () => bind("/usr", `${jail}/usr`),
  "writable, in a shared peer group": () => {
    bind("/usr", `${jail}/usr`, "--make-shared");
    bind(`${jail}/usr`, `${jail}/usr/share/misc`, "--make-shared");
  },
  "moved, and replaced by a symbolic link": () => {
    bind("/usr", `${jail}/usr`);
    m.must(["mkdir", "-p", `${jail}/moved`]);
    m.must(["mount", "--move", `${jail}/usr`, `${jail}/moved`]);
    m.must(["rmdir", `${jail}/usr`]);
    m.symlink("moved", `${jail}/usr`);
  },
  "stacked over a directory of the jail's own": () => {
    m.mkdir(`${jail}/usr/bin`);
    m.must(["mount", "-t", "tmpfs", "tmpfs", `${jail}/usr`]);
    bind("/usr", `${jail}/usr`);
  },
  "a part of it": () => {
    bind("/usr/bin", `${jail}/usr/bin`);
    bind("/usr/share/misc", `${jail}/usr/share/misc`);
    bind("/usr/lib", `${jail}/usr/lib`);
  },
  "a directory that contains it": () => {
    bind("/", `${jail}/moved`);
    m.symlink("moved/usr", `${jail}/usr`);
  },
  "single files": () => {
    for (const file of ["bin/id", "bin/env", "share/misc/live"]) {
      m.write(`${jail}/usr/${file}`, "");
      m.must(["mount", "--bind", `/usr/${file}`, `${jail}/usr/${file}`]);
    }
  },
};

/** Tools that write into a jail, with what they would change through the mount. */
const TOOLS: readonly (readonly string[])[] = [
  ["jk_init", "-j", jail, "one"],
  ["jk_init", "-f", "-j", jail, "one"],
  ["jk_cp", "-f", "-j", jail, "/usr/bin/id"],
  ["jk_cp", "-f", "-o", "-s", "-j", jail, "/usr/share/misc/live"],
  ["jk_cp", "-j", jail, "/opt/tool"],
  ["jk_init", "-f", "-j", jail, "two"],
  ["jk_check", "--fix", jail],
  ["jk_update", "-j", jail],
  ["jailkit", "adopt", jail],
  ["jk_check", "--fix", jail],
  ["jk_init", "--remove", "-j", jail, "one"],
  ["jk_cp", "--remove", "-j", jail, "/usr/bin/id"],
  ["jk_addjailuser", "-j", jail, "-d", "/usr/share/carol", "-s", "/usr/bin/env", "carol"],
  ["jk_jailuser", "-m", "-s", "/usr/bin/env", "-j", jail, "lily"],
  ["jk_jailuser", "--unjail", "-m", "lily"],
];

describe("nothing is written or removed through a mount of the host's /usr", () => {
  for (const [way, mountIt] of Object.entries(WAYS)) {
    test(way, () => {
      m.must(["jk_init", "-j", jail, "two"]);
      m.must(["jk_cp", "-j", jail, "/usr/share/misc/live"]);
      m.must(["find", `${jail}/usr`, "-delete"]);
      for (const name of ["bin", "sbin", "lib", "lib64"]) m.remove(`${jail}/${name}`);
      mountIt();
      links();
      const said = TOOLS.map((words) => `${words.join(" ")}: ${Object.values(m.run(words)).join(" ")}`);
      if (Bun.env.SHOW) console.log(said.join("\n"));
      expect(changes()).toBe("");
      // Her home would move to the same path on the host.
      m.run(["userdel", "-f", "-r", "carol"]);
      m.run(["jailkit", "delete", "--yes", "--unjail", "--user-files", jail]);
      expect(changes()).toBe("");
    });
  }
});

test("nor into the host's /etc, also not by ldconfig(8)", () => {
  m.must(["jk_init", "-j", jail, "two"]);
  m.must(["find", `${jail}/etc`, "-delete"]);
  bind("/etc", `${jail}/etc`);
  m.must(["touch", "-d", "2001-01-01", "/etc/ld.so.cache"]);
  const etc = () => m.must(["sh", "-c", "find /etc -printf '%p %m %U %G %s %C@\\n' | sort"]).stdout;
  const host = etc();
  for (const words of TOOLS.filter(([tool]) => !tool?.endsWith("user"))) m.run(words);
  expect(etc()).toBe(host);
  m.must(["umount", `${jail}/etc`]);
});

test("nor to the host's cache of libraries, mounted as a file", () => {
  m.must(["jk_init", "-j", jail, "two"]);
  m.must(["mount", "--bind", "/etc/ld.so.cache", `${jail}/etc/ld.so.cache`]);
  const cache = () => m.must(["stat", "-c", "%i %s %y %z", "/etc/ld.so.cache"]).stdout;
  const host = cache();
  const { status, stderr } = m.run(["jk_cp", "-j", jail, "/usr/bin/openssl"]);
  expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringContaining("is on the host's /etc") });
  for (const words of TOOLS.filter(([tool]) => !tool?.endsWith("user"))) m.run(words);
  expect(cache()).toBe(host);
  m.must(["umount", `${jail}/etc/ld.so.cache`]);
});

test("no function that writes into a jail writes there, whoever calls it", () => {
  const base = "/usr/local/share/host-mount-test";
  const script = join(import.meta.dir, "host-mount-writes.ts");
  const jail = mkdtempSync("/dev/shm/jailkit-host-mount-");
  chmodSync(jail, 0o755);
  mkdirSync(`${jail}/jail`);
  // Nothing is written to this machine's /usr: a file system in memory hides /usr/local.
  const prepare = `mount -t tmpfs tmpfs /usr/local && mkdir -p ${base}/tree/below && echo x > ${base}/file`;
  const look = `find ${base} -printf '%p %y %m %s %C@\\n' | sort`;
  const lines = `${prepare} && ${look} > ${jail}/before && "$0" ${script} ${jail}/jail ${base}; ${look} | diff ${jail}/before -`;
  try {
    const done = Bun.spawnSync(["unshare", "-m", "sh", "-c", lines, process.execPath]);
    expect(done.stderr.toString()).toBe("");
    const said = done.stdout.toString().trim().split("\n");
    expect(said.at(-1)).toBe("another directory: created");
    const refused = said.slice(0, -1).map((line) => line.split(": ")[1] ?? "");
    expect(refused.length).toBe(14);
    expect(new Set(refused.filter((code) => code !== "EBUSY"))).toEqual(new Set(["host-mount"]));
    expect(said).toContain("all of it: EBUSY");
  } finally {
    rmSync(jail, { recursive: true });
  }
});
