import type { ByteString } from "../../../ffi/bytes.ts";
import { display, quoted } from "../../cli/display.ts";
import { JailkitError } from "../../cli/error.ts";
import { closeJailRoot } from "../../jail/fs/walk.ts";
import { openSafeJail } from "../../populate/open-jail.ts";
import { noSuchSection } from "../../profile/sections.ts";
import { SECTIONS_FILE } from "../../transfer/sections.ts";
import type { Change } from "../change.ts";
import type { DeclaredJail } from "../model.ts";
import type { Machine } from "./machine.ts";

const FILLING: readonly Change["what"][] = ["sections", "files", "live"];

/** The changes that bring files into a jail. */
export const fillingOf = (changes: readonly Change[]): Change[] =>
  changes.filter(({ action, what }) => action === "create" && FILLING.includes(what));

/**
 * Throws the JailkitError with which a jail would not get what is planned for it: a section or file that does not exist, or a
 * place where no jail can be. What only the files themselves show, jk_init and jk_cp find later.
 */
export function requireFillable(
  { path, sections, files }: DeclaredJail,
  changes: readonly Change[],
  machine: Machine,
): void {
  const filling = fillingOf(changes);
  if (filling.length === 0) return;
  const added = (what: Change["what"]) => filling.flatMap((one) => (one.what === what ? one.items : []));
  const ini = machine.sections();
  // Recorded ones that are copied again may be of another file.
  const unknown = added("sections").find(
    (name) => sections.includes(name) && ini?.sections.every((section) => section.name !== name),
  );
  if (unknown !== undefined && ini !== undefined)
    throw new JailkitError("no-such-section", 1, noSuchSection(unknown, ini, SECTIONS_FILE));
  const missing = added("files").find((operand) => files.includes(operand) && !machine.has(operand));
  if (missing !== undefined) throw new JailkitError("no-such-path", 1, missingFile(missing));
  const root = openSafeJail(path, { create: true, dryRun: true, sync: false, unsafeStatus: 1 });
  if (root !== undefined) closeJailRoot(root);
}

const missingFile = (operand: ByteString): string =>
  operand.includes("/")
    ? `${display(operand)} does not exist`
    : `${quoted(operand)} is no program of this machine`;
