import { afterAll, beforeAll, setDefaultTimeout } from "bun:test";
import type { Machine, RunResult } from "../machine/machine.ts";
import { openTerminal, type Terminal } from "../machine/terminal.ts";
import { openStage, type Stage } from "../words/scene.ts";
import { RECIPES } from "../words/scenes/recipes.ts";
import { allowKey, client, follow, makeKey } from "./recipes-scene.ts";

export const home = "/srv/jail/home/anna";
/** The end of the prompt of a shell in the jail. */
export const PROMPT = /\$ /;

export let stage: Stage;
export let m: Machine;

/** A booted machine with the jailed account of docs/recipes.md, and bob, who is in no jail, for all tests of a file. */
export function setScene(): void {
  setDefaultTimeout(120_000);
  beforeAll(async () => {
    stage = await openStage(RECIPES);
    m = stage.m;
    makeKey(m);
    await follow(stage, "");
    await must(allowKey("anna", home));
    m.addUser("bob", { createHome: true });
    await must(allowKey("bob", "/home/bob"));
  });
  afterAll(() => m?.close());
}

/** Types a line as root; its output. */
export const must = (line: string): Promise<string> => stage.must(line);

/** A login for one command, to its end. */
export const login = (command: string, user = "anna"): RunResult => m.run(client([], user, command));

/** A login with a terminal. */
export const terminal = (): Terminal =>
  openTerminal(m, client(["-tt"], "anna", ""), { env: { TERM: "dumb" } });

/**
 * How many lines with a pattern a program has written into the journal. By its name, since the journal does not know the
 * unit of a process that has ended at once.
 */
export const logged = async (program: string, pattern: string): Promise<number> =>
  Number(await must(`journalctl -q --no-pager -t ${program} | grep -c '${pattern}' || true`));

/** Does what reloads sshd, and waits until it serves by its new configuration. */
export async function reloading(act: () => Promise<unknown>): Promise<void> {
  const listens = () => logged("sshd", "Server listening on 0.0.0.0");
  const before = await listens();
  await act();
  while ((await listens()) === before);
}
