import type { Scene } from "../scene.ts";
import { FLEET_SCENE } from "./fleet.ts";
import { MANUAL } from "./manual.ts";
import { MIGRATION } from "./migration.ts";
import { PANELS } from "./panels.ts";
import { README } from "./readme.ts";
import { RECIPES } from "./recipes.ts";

/** How each document is read; one that is not here needs nothing. By paths in the checkout. */
export const SCENES: Readonly<Record<string, Scene>> = {
  "README.md": README,
  "docs/fleet.md": FLEET_SCENE,
  "docs/migration.md": MIGRATION,
  "docs/panels.md": PANELS,
  "docs/recipes.md": RECIPES,
  ...MANUAL,
};
