import { expect } from "bun:test";
import type { ByteString } from "../../ffi/bytes.ts";
import type { Machine } from "../machine/machine.ts";
import { type Block, blocksOf, readDocument } from "../words/blocks.ts";
import type { LoginShell } from "../words/login-shell.ts";
import { playBlock, type Stage } from "../words/scene.ts";

export const RECIPES = "docs/recipes.md";
const KEY = "/root/key";

/** The blocks of a document below a heading, and those before the first one below "". Throws where there are none. */
export function blocksUnder(document: string, heading: string): Block[] {
  const lines = readDocument(document).split("\n");
  const headingOf = ({ line }: Block) =>
    lines
      .slice(0, line)
      .findLast((one) => one.startsWith("## "))
      ?.slice(3) ?? "";
  const blocks = blocksOf(document).filter((block) => headingOf(block) === heading);
  if (blocks.length === 0) throw new Error(`${document}: no block below '${heading}'`);
  return blocks;
}

/** Types what a document says below a heading (all of it, or the n-th block), at root's login shell. */
export async function follow(
  stage: Stage,
  heading: string,
  only?: number,
  document = RECIPES,
): Promise<void> {
  for (const [n, block] of blocksUnder(document, heading).entries())
    if (only === undefined || only === n) await playBlock(stage, block, {});
}

/** Expects that a document shows this in the middle of a sentence, as it is typed; returns it. */
export function shown(document: string, code: string): string {
  expect(readDocument(document).replace(/\s+/g, " ")).toContain(`\`${code}\``);
  return code;
}

/** Words of a client that asks nothing, as the machine's root; `options` come before the account. */
export const client = (options: readonly string[], user: string, command: string): string[] => [
  ...["ssh", "-q", "-i", KEY, "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no"],
  ...[...options, `${user}@127.0.0.1`],
  ...(command === "" ? [] : [command]),
];

/** Makes the key that all logins of these tests are by. */
export const makeKey = (m: Machine) => m.must(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", KEY]);

/** The line that lets an account in by that key; its home is a path of the host. */
export const allowKey = (user: string, home: ByteString) =>
  `usermod -p '*' ${user} && install -d -o ${user} ${home}/.ssh && ` +
  `install -o ${user} ${KEY}.pub ${home}/.ssh/authorized_keys`;

/** The stage of a shell that was opened otherwise than by openStage. */
export function stageOf(m: Machine, shell: LoginShell): Stage {
  return {
    m,
    others: [],
    booted: undefined,
    shell,
    login: () => {
      throw new Error("there is one terminal");
    },
    async must(line, answers) {
      const typed = await shell.type(line, answers);
      expect({ line, ...typed }).toMatchObject({ line, status: 0 });
      return typed.output;
    },
    allowKey: () => {
      throw new Error("see the function of that name");
    },
    ssh: () => {
      throw new Error("type it");
    },
  };
}
