import type { ByteString } from "../../../ffi/bytes.ts";
import { quoted } from "../../cli/display.ts";
import { allOf, type Remedy } from "../../cli/remedy.ts";
import { operands } from "../../cli/shell-word.ts";

/** Why an account of a directory is not made a member of groups, and the commands that do so. Pure. */
export function membershipFault(name: ByteString, groups: readonly { readonly name: ByteString }[]) {
  const command = allOf(groups.map((group): Remedy => `gpasswd -a ${operands(name, group.name)}`));
  const shown = groups.map((group) => quoted(group.name)).join(", ");
  const message = `is not in ${shown}, and the account is in a directory; add it with: ${command}`;
  return { message, command };
}
