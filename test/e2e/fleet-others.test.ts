/**
 * What docs/fleet.md shows besides Ansible, on machines without jailkit that know a repository with it. Puppet and
 * cloud-init do it. Debian has no Salt: its states are read, and what they name is done in their order.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type Machine, openMachine } from "../machine/machine.ts";
import { readDocument } from "../words/blocks.ts";
import { installArchives } from "./archives.ts";
import { packages, repository } from "./packages-scene.ts";
import { blocksUnder } from "./recipes-scene.ts";

setDefaultTimeout(240_000);

const PAGE = "docs/fleet.md";
const FILE = "/etc/jailkit/jails.d/customers.ini";
const KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOZQo3j7fvlQ4Fx7TpbzkdbtGwQkIOdSBvXzJPn1Qbjy anna@laptop";
const JAIL = "[jail /srv/customers]\nsections = basicshell\n";
const USER = "[user anna]\njail = /srv/customers\nshell = /bin/bash\n";
const GOOD = JAIL + USER;
const wrong = (text: string) => text.replace("sections = ", "sectoins = ");
const env = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", HOME: "/root", LC_ALL: "C.UTF-8", NO_COLOR: "1" };

const block = (first: string) => {
  const found = blocksUnder(PAGE, "With something else").find(({ text }) => text.startsWith(first));
  if (found === undefined) throw new Error(`${PAGE}: no block that begins with ${first}`);
  return found.text;
};

let m: Machine;
afterAll(() => m?.close());

/** A machine without jailkit, with a repository that has it. */
async function open(): Promise<void> {
  await m?.close();
  m = await openMachine();
  m.must(["dpkg", "--purge", "jailkit"]);
  // Not below /root: apt-get reads it as a user without privileges.
  repository(m, "/srv/repository", packages().deb);
  m.remove("/etc/apt/sources.list.d");
  m.write("/etc/apt/sources.list", m.read("/srv/repository/sources.list"));
}
const checked = () => m.run(["/usr/sbin/jailkit", "apply", "--check"]).status;
const account = () => m.run(["getent", "passwd", "anna"]).stdout;
const ACCOUNT = expect.stringMatching(
  /^anna:.*:\/srv\/customers\/\.\/home\/anna:\/usr\/sbin\/jk_chrootsh\n$/,
);

describe("Puppet", () => {
  const MODULE = "/root/modules/jails/files/customers.ini";
  const apply = () =>
    m.run(["puppet", "apply", "--detailed-exitcodes", "--modulepath", "/root/modules", "/root/jails.pp"], {
      env,
      timeout: 200_000,
    });
  // What --detailed-exitcodes means: something was changed; failed; both.
  const [CHANGED, FAILED] = [2, 4];

  beforeAll(async () => {
    await open();
    installArchives(m, "puppet");
    m.write("/root/jails.pp", `${block("package {")}\n`);
    m.write(MODULE, GOOD);
  });

  test("the first run installs jailkit, and makes what is declared", () => {
    expect(apply()).toMatchObject({ status: CHANGED });
    expect([account(), checked()]).toEqual([ACCOUNT, 0]);
  });

  test("the second changes nothing", () => {
    expect(apply()).toMatchObject({ status: 0 });
  });

  test("a wrong declaration fails with file and line, and changes no account", () => {
    m.write(MODULE, wrong(GOOD));
    const { status, stdout, stderr } = apply();
    // Puppet replaces the file, and jailkit nothing.
    expect(status).toBe(CHANGED + FAILED);
    expect(stdout + stderr).toContain(`${FILE}:2:1: `);
    expect(account()).toEqual(ACCOUNT);
  });

  test("and drift is mended with the right one", () => {
    m.must(["usermod", "-s", "/bin/sh", "anna"]);
    m.write(MODULE, GOOD);
    expect(apply()).toMatchObject({ status: CHANGED });
    expect([account(), checked()]).toEqual([ACCOUNT, 0]);
  });
});

describe("Salt", () => {
  type Arguments = Readonly<Record<string, unknown>>;
  interface State {
    readonly id: string;
    readonly call: string;
    readonly given: Arguments;
  }
  // The arguments that the modules of Salt have for these.
  const KNOWN: Readonly<Record<string, readonly string[]>> = {
    "pkg.installed": [],
    "file.managed": ["source", "mode", "makedirs", "require"],
    "cmd.run": ["unless", "require"],
  };

  let states: readonly State[];
  beforeAll(async () => {
    await open();
    // With PyYAML, as Salt reads it; 0644 would be the number 420.
    const toJson = "import json, sys, yaml; json.dump(yaml.safe_load(sys.stdin), sys.stdout)";
    const { stdout } = m.must(["/usr/bin/python3", "-c", toJson], { stdin: block("jailkit:") });
    const all = JSON.parse(stdout) as Record<string, Record<string, Arguments[]>>;
    states = Object.entries(all).flatMap(([id, calls]) =>
      Object.entries(calls).map(([call, given]) => ({ id, call, given: Object.assign({}, ...given) })),
    );
  });

  const named = (call: string): State => {
    const found = states.filter((state) => state.call === call);
    const [first] = found;
    if (first === undefined || found.length > 1) throw new Error(`${found.length} states of ${call}`);
    return first;
  };
  /** Runs the command of cmd.run as Salt does: by a shell, and not at all if `unless` ends with 0. */
  const run = (more = "") => {
    const { id, given } = named("cmd.run");
    const unless = m.run(["sh", "-c", `${given.unless}${more}`]).status;
    return { unless, done: unless === 0 ? undefined : m.run(["sh", "-c", `${id}${more}`]) };
  };

  test("the states are of functions and arguments that Salt has, and require states before them", () => {
    expect(states.map(({ call }) => call)).toEqual(["pkg.installed", "file.managed", "cmd.run"]);
    for (const [n, { call, given }] of states.entries()) {
      expect(Object.keys(given).filter((name) => !KNOWN[call]?.includes(name))).toEqual([]);
      const [before] = states.slice(0, n).toReversed();
      const [module = ""] = before?.call.split(".") ?? [];
      expect(given.require).toEqual(before && [{ [module]: before.id }]);
    }
    const { id, given } = named("file.managed");
    expect([id, given.source, given.mode]).toEqual([FILE, "salt://jails/customers.ini", "0644"]);
    expect(readDocument(PAGE)).toContain("`jails/customers.ini` in the master's `file_roots`");
  });

  test("they install jailkit, and make what is declared", () => {
    const { id, given } = named("file.managed");
    m.must(["apt-get", "install", "-y", named("pkg.installed").id], {
      env: { ...env, DEBIAN_FRONTEND: "noninteractive" },
    });
    // Salt makes no directory if it is not told to.
    expect(m.exists("/etc/jailkit/jails.d") || given.makedirs).toBe(true);
    m.write(id, GOOD, { mode: Number.parseInt(String(given.mode), 8) });
    expect(run()).toMatchObject({ unless: 10, done: { status: 0 } });
    expect([account(), checked()]).toEqual([ACCOUNT, 0]);
  });

  test("once", () => {
    expect(run()).toEqual({ unless: 0, done: undefined });
  });

  test("a wrong declaration fails with file and line", () => {
    m.write(FILE, wrong(GOOD));
    expect(run()).toMatchObject({
      unless: 1,
      done: { status: 1, stderr: expect.stringContaining(`${FILE}:2:1: `) },
    });
    expect(account()).toEqual(ACCOUNT);
  });

  test("with --prune in both commands, a user who is declared no more is removed, once", () => {
    m.write(FILE, JAIL);
    expect(run()).toEqual({ unless: 0, done: undefined });
    expect(run(" --prune")).toMatchObject({ unless: 10, done: { status: 0 } });
    expect(account()).toBe("");
    expect(run(" --prune")).toEqual({ unless: 0, done: undefined });
  });
});

describe("cloud-init", () => {
  const SEED = "/var/lib/cloud/seed/nocloud";
  // Of Debian's, those that the page needs: the others are for the disks, the network and the keys of a machine.
  const MODULES = /write-files|runcmd|package-update-upgrade-install|scripts-user/;

  /** Does what the units do when a machine with this text starts for the first time. Returns what that printed. */
  function start(text: string): string {
    m.must(["cloud-init", "clean"], { env });
    m.remove("/run/cloud-init");
    m.write(`${SEED}/meta-data`, "instance-id: machine\n");
    m.write(`${SEED}/user-data`, `${text}\n`);
    m.must(["cloud-init", "schema", "--config-file", `${SEED}/user-data`], { env });
    const stages = [["init", "--local"], ["init"], ["modules", "--mode=config"], ["modules", "--mode=final"]];
    return stages.map((words) => m.run(["cloud-init", ...words], { env, timeout: 200_000 }).stdout).join("");
  }
  const status = () => m.run(["cloud-init", "status"], { env }).stdout;

  beforeAll(async () => {
    await open();
    installArchives(m, "cloud-init");
    const config = m.read("/etc/cloud/cloud.cfg");
    const modules = config.replace(/^ - (?!default$).*\n/gm, (line) => (MODULES.test(line) ? line : ""));
    m.write("/etc/cloud/cloud.cfg", modules);
    m.write(
      "/etc/cloud/cloud.cfg.d/99-test.cfg",
      "datasource_list: [NoCloud]\nnetwork: {config: disabled}\n",
    );
  });

  test("the first start installs jailkit, and makes what is declared", () => {
    start(block("#cloud-config"));
    expect(status()).toBe("status: done\n");
    expect([account(), checked()]).toEqual([ACCOUNT, 0]);
    expect(m.read("/srv/customers/home/anna/.ssh/authorized_keys")).toBe(`${KEY}\n`);
    expect(m.must(["id", "-Gn", "anna"]).stdout).toContain("jailed");
    expect(m.must(["stat", "-c", "%U:%G %a", FILE]).stdout).toBe("root:root 644\n");
  });

  test("a wrong declaration is an error with file and line", () => {
    expect(start(wrong(block("#cloud-config")))).toContain(`${FILE}:2:1: `);
    expect(status()).toBe("status: error\n");
    expect(account()).toEqual(ACCOUNT);
  });
});
