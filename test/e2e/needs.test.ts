/**
 * npm run quickstart and npm test on a machine that lacks something: one line says what to do, and nothing is changed.
 * Each lack is a real one, except the version of Node.js.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkout } from "../machine/helper.ts";

let folder: string;
let clone: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "jailkit-needs-"));
  Bun.spawnSync(["chmod", "0755", folder]);
  clone = join(folder, "clone");
  mkdirSync(clone);
  for (const name of ["package.json", "package-lock.json", "build"])
    cpSync(join(checkout, name), join(clone, name), { recursive: true });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs build/setup.mjs for a task by way of other programs; what it says, and what it left in the clone. */
function setUp(task: string, through: string[] = [], env: Record<string, string> = {}, before = "") {
  const script = `${before};process.argv.splice(1, 0, "setup.mjs"); await import(${JSON.stringify(join(clone, "build/setup.mjs"))});`;
  const { exitCode, stdout, stderr } = Bun.spawnSync(
    [...through, "node", "--input-type=module", "-e", script, "--", task],
    {
      cwd: clone,
      env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin", HOME: folder, ...env },
      stdin: "ignore",
    },
  );
  expect({ exitCode, stdout: stdout.toString() }).toEqual({ exitCode: 1, stdout: "" });
  expect(readdirSync(clone).sort()).toEqual(["build", "package-lock.json", "package.json"]);
  return stderr.toString();
}

/** The same, where what is said is one line. */
function told(...how: Parameters<typeof setUp>): string {
  const [line = "", ...more] = setUp(...how).split("\n");
  expect(more).toEqual([""]);
  return line;
}

describe("one line where", () => {
  test("the user is not root", () => {
    const user = ["setpriv", "--reuid", "1234", "--regid", "1234", "--clear-groups"];
    expect(told("quickstart", user)).toMatch(/^npm run quickstart mounts, .*: run it as root$/);
    expect(told("test", user)).toMatch(/^npm test mounts, .*: run it as root$/);
  });

  test("Node.js is old", () => {
    const old = 'Object.defineProperty(process, "versions", { value: { node: "12.22.12" } })';
    const line =
      "this is Node.js 12.22.12, and 18 or later is needed: apt-get install npm on Debian 12 or later";
    expect(told("test", [], {}, old)).toBe(line);
    // Nor does it stop at what Node.js 12 cannot read.
    for (const name of ["needs.mjs", "setup.mjs", "quickstart.mjs", "root.mjs"])
      expect(readFileSync(join(checkout, "build", name), "utf8")).not.toMatch(/\?\?|\?\.[^ \d]|^await /m);
  });

  test("the disk is too small", () => {
    const small = join(folder, "small");
    mkdirSync(small);
    const mount = `const { spawnSync } = await import("node:child_process"); spawnSync("mount", ["-t", "tmpfs", "-o", "size=1G", "tmpfs", ${JSON.stringify(small)}]); process.env.TMPDIR = ${JSON.stringify(small)}`;
    expect(told("test", ["unshare", "--mount"], {}, mount)).toMatch(
      /^npm test needs [\d.]+ GB in \S+, where [\d.]+ GB are free: make room, or clone elsewhere$/,
    );
  });

  test("no overlay can be mounted", () => {
    const none =
      'const { writeFileSync } = await import("node:fs"); writeFileSync("/proc/sys/user/max_mnt_namespaces", "0")';
    expect(told("quickstart", ["unshare", "--user", "--map-root-user"], {}, none)).toMatch(
      /^throwaway copies .* cannot be mounted here \(unshare: .*\): use a machine or VM of your own, or a container that may mount$/,
    );
    // A comma ends an option of mount(8).
    const comma = join(folder, "a,b");
    mkdirSync(comma);
    expect(told("quickstart", [], { TMPDIR: comma })).toMatch(
      / cannot be mounted here \(mount: .*overlay.*\): use /,
    );
  });

  test("there is no network", () => {
    const away = ["unshare", "--net"];
    const said = setUp("test", away, { npm_config_fetch_retries: "0" });
    expect(said).toMatch(
      /^setup: npm ci\nnpm's registry cannot be reached \(E[A-Z_]+\): npm ci needs a network, or npm's own settings for one\n$/,
    );
  });
});

describe("one line where a compiler is missing", () => {
  // The clone has the modules, and no package of Debian's is installed as far as dpkg knows.
  const none = () => join(folder, "no-packages");
  beforeAll(() => {
    mkdirSync(join(none(), "info"), { recursive: true });
    writeFileSync(join(none(), "status"), "");
  });
  const build = (through: string[], env: Record<string, string> = {}, from = checkout) =>
    Bun.spawnSync([...through, "node", join(from, "build/setup.mjs"), "build"], {
      env: {
        PATH: "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin",
        HOME: folder,
        DPKG_ADMINDIR: none(),
        ...env,
      },
    }).stderr.toString();

  test("to users other than root", () => {
    // This checkout where everybody can read it: it may be in root's home.
    const shown = join(folder, "shown");
    mkdirSync(shown);
    const show = `mount --bind '${checkout}' '${shown}' && exec setpriv --reuid 1234 --regid 1234 --clear-groups "$@"`;
    expect(build(["unshare", "--mount", "sh", "-c", show, "sh"], {}, shown)).toBe(
      "as root: apt-get install gcc libc6-dev\n",
    );
  });

  test("and there is no network", () => {
    const config = join(folder, "apt.conf");
    writeFileSync(
      config,
      `Dir::State::status "${none()}/status";\nDir::Cache::archives "${none()}";\nAcquire::Retries "0";\n`,
    );
    mkdirSync(join(none(), "partial"), { recursive: true });
    expect(build(["unshare", "--net"], { APT_CONFIG: config })).toBe(
      "setup: installing gcc libc6-dev\nDebian's packages cannot be reached; with a network: apt-get install gcc libc6-dev\n",
    );
  });
});
