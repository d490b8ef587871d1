import type { Scene } from "../scene.ts";
import { COMMANDS } from "./manual-commands.ts";
import { FILES } from "./manual-files.ts";
import { OVERVIEW } from "./manual-overview.ts";
import { TOOLS } from "./manual-tools.ts";

/** The manual pages, by the paths of their sources. */
export const MANUAL: Readonly<Record<string, Scene>> = Object.fromEntries(
  Object.entries({ "jailkit.7": OVERVIEW, ...COMMANDS, ...TOOLS, ...FILES }).map(([page, scene]) => [
    `docs/man/${page}.in`,
    scene,
  ]),
);
