import type { ByteString } from "../../ffi/bytes.ts";
import { pathComponents } from "../../ffi/paths.ts";
import { shellWord } from "../cli/shell-word.ts";
import { joinHome } from "./separator.ts";

// What is in these is for all who live in the jail, at any depth; of the others the directory itself is.
const SYSTEM = /^(?:bin|dev|etc|lib(?:32|64|x32)?|proc|sbin|sys|usr)$/;
const SHARED = /^(?:boot|home|media|mnt|opt|run|srv|tmp|var)$/;

/** Whether a directory, as a jail sees it, is one of the jail's own, which no account can be given as its home. */
export function isJailsOwn(home: ByteString): boolean {
  const parts: ByteString[] = [];
  for (const part of pathComponents(home)) {
    if (part === "..") parts.pop();
    else parts.push(part);
  }
  const [first, second] = parts;
  return first === undefined || SYSTEM.test(first) || (second === undefined && SHARED.test(first));
}

/** The home that an account has in a jail where nobody says another, as the jail sees it. */
export const usualHome = (name: ByteString): ByteString => `/home/${name}`;

/** Gives an account the usual home in its jail, where the one that it has is not for it alone. */
export function otherHomeRemedy(
  jail: ByteString,
  { name, uid, gid }: { name: ByteString; uid: number; gid: number },
): ByteString {
  const home = usualHome(name);
  const commands = [
    ["usermod", "-d", joinHome(jail, home), name],
    ["jk_jailuser", "--jail-side-only", "-j", jail, name],
    ["install", "-d", "-o", `${uid}`, "-g", `${gid}`, "-m", "0700", `${jail}${home}`],
  ];
  return commands.map((words) => words.map(shellWord).join(" ")).join(" && ");
}
