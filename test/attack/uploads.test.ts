/**
 * A user of jk_lsh uploads every file by which a server program can be configured, then uses the programs, and tries
 * lines that no client sends. Only what the administrator listed is executed; the watch is on execve(2), from outside.
 * An account with a shell has the same files and clients: there the ways work.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Executed } from "./exec-watch.ts";
import { HOSTILE } from "./uploads-hostile.ts";
import {
  type Account,
  FREE,
  IDS,
  JAIL,
  LIMITED,
  openScene,
  type Scene,
  textFor,
  UNLISTED,
  UPLOADED,
} from "./uploads-scene.ts";
import { makeRepositories, upload, uploadAll } from "./uploads-upload.ts";
import { FORCED, USES, type Use } from "./uploads-uses.ts";
import { WAYS } from "./uploads-ways.ts";

setDefaultTimeout(120_000);

let scene: Scene;
beforeAll(async () => {
  scene = await openScene();
  makeRepositories(scene);
});
afterAll(() => scene?.m.close());

// What sshd starts on the machine: itself, the account's shell, and /bin/sh for ~/.ssh/rc, with this line alone.
const OUTSIDE = [
  /^\/usr\/lib\/openssh\/sshd-(?:session|auth) /,
  /^\/usr\/sbin\/(?:jk_chrootsh|jailkit) /,
  /^\/usr\/bin\/dash sh -c (?:-- )?\/usr\/sbin\/jk_chrootsh -c '\/bin\/sh [^']*\/\.ssh\/rc'$/,
];

const SHELL = /^\/usr\/sbin\/jk_lsh /;
const NOTHING = /^$/;

const forced = () => ({ ".ssh/authorized_keys": FORCED + scene.m.read("/run/machine-ssh/client.pub") });

/** What was executed that is none of these. */
function strays(executed: readonly Executed[], serves: RegExp): string[] {
  return executed.flatMap(({ jailed, file, argv }) => {
    const line = `${file} ${argv}`;
    return (jailed ? [serves, SHELL] : OUTSIDE).some((pattern) => pattern.test(line)) ? [] : [line];
  });
}

/** Uploads some more, watches what `act` does, and takes that away again. */
async function watchWith(account: Account, files: Use["files"], act: () => unknown): Promise<Executed[]> {
  if (files !== undefined) upload(scene, account, files);
  const executed = await scene.watch(act);
  for (const path of Object.keys(files ?? {})) scene.m.remove(`${JAIL}/home/${account.name}/${path}`);
  // Whatever was refused, it came as far as this.
  expect(executed.map(({ file }) => file)).toContain("/usr/sbin/jk_chrootsh");
  return executed;
}

describe("an account with a shell", () => {
  const seen = new Set<string>();

  beforeAll(async () => {
    uploadAll(scene, FREE);
    const add = (executed: readonly Executed[]) => {
      for (const id of scene.seen(FREE, executed)) seen.add(id);
    };
    for (const { files, act } of USES) add(await watchWith(FREE, files, () => act(scene, FREE)));
    add(await watchWith(FREE, forced(), () => scene.sshd.ssh(FREE.name, ["rsync --server"])));
  }, 120_000);

  test.each(Object.keys(WAYS))("the ways of %s work", (program) => {
    const works = WAYS[program]?.works ?? [];
    expect(works.filter((id) => !IDS.includes(id))).toEqual([]);
    expect(works.filter((id) => !seen.has(id))).toEqual([]);
  });
});

const named = USES.map((use) => [use.name, use] as const);
const limited = LIMITED.map((account) => [account.target, account.execute, account] as const);
const title = "a limited account whose files name programs that are %s, with execute = %s";

describe.each(limited)(title, (target, execute, account) => {
  afterAll(() => scene.policy());
  beforeAll(() => {
    scene.policy(`execute = ${execute}`);
    // one of them with the limited shell inside jk_chrootsh, the other with a file of its own
    if (account === UNLISTED) scene.m.must(["jk_init", "--copy-shell", "-j", JAIL, "jk_lsh"]);
    uploadAll(scene, account);
  });

  test.each(named)("%s", async (_name, { serves, files, works, open, act }) => {
    let status: number | undefined;
    const executed = await watchWith(account, files, () => {
      status = act(scene, account)?.status;
    });
    const seen = scene.seen(account, executed);
    // Where only the kernel stops it, it works without.
    if (open && execute === "any") expect(seen).not.toEqual([]);
    else expect({ seen, strays: strays(executed, serves) }).toEqual({ seen: [], strays: [] });
    if (works) expect(status).toBe(0);
    expect(executed.some(({ file }) => file === "/usr/sbin/jk_lsh")).toBe(target === "unlisted");
  });

  test("a command in ~/.ssh/authorized_keys", async () => {
    const executed = await watchWith(account, forced(), () =>
      scene.sshd.ssh(account.name, ["rsync --server"]),
    );
    expect(strays(executed, NOTHING)).toEqual([]);
    expect(executed.some(({ argv }) => argv.includes("/forced"))).toBe(true);
  });
});

const rude = "a limited account that sends lines which no server needs, with execute = %s";

describe.each(["system", "any"])(rude, (execute) => {
  beforeAll(() => scene.policy(`execute = ${execute}`));
  afterAll(() => scene.policy());

  test.each(Object.keys(HOSTILE))("%s", async (program) => {
    const answers: string[] = [];
    const { sshd } = scene;
    const executed = await scene.watch(() => {
      const words = [
        "ssh",
        ...sshd.clientOptions,
        "-o",
        "ControlPath=/root/control",
        `${UPLOADED.name}@127.0.0.1`,
      ];
      scene.client([...words, "-MNf"]);
      for (const line of HOSTILE[program] ?? []) {
        // What runs on is killed by the watch; timeout(1) ends the client.
        const { status } = scene.client(["timeout", "10", ...words, textFor(UPLOADED, line) ?? ""]);
        if (status === 0 || status === 124) answers.push(line);
      }
      scene.client([...words, "-O", "exit"]);
    }, "kill");
    scene.seen(UPLOADED, executed);
    expect({ answers, strays: strays(executed, NOTHING) }).toEqual({ answers: [], strays: [] });
  });
});

describe("the watch sees", () => {
  test("a program of root's that is not listed, and an uploaded one that the dynamic loader was told to start", async () => {
    for (const text of ["@PATH:direct@", "@RUN:direct@"]) {
      const command = textFor({ ...FREE, target: "unlisted" } as const, text) ?? "";
      const executed = await watchWith(FREE, undefined, () => scene.sshd.ssh(FREE.name, [command]));
      expect(scene.seen(FREE, executed)).toEqual(["direct"]);
    }
  });

  const line = textFor(UPLOADED, "rsync -e @RUN:rsync-e@ a x:b") ?? "";
  const act = () => scene.sshd.ssh(UPLOADED.name, [line]);

  test("the listed program, and not what the kernel refuses to execute", async () => {
    scene.policy("allow_spawn_options = 1");
    const executed = await scene.watch(act);
    expect(executed.some(({ file }) => file === "/usr/bin/rsync")).toBe(true);
    expect(scene.seen(UPLOADED, executed)).toEqual([]);
  });

  test("an uploaded program if the administrator allows everything", async () => {
    scene.policy("allow_spawn_options = 1", "execute = any");
    expect(scene.seen(UPLOADED, await scene.watch(act))).toEqual(["rsync-e"]);
  });
});
