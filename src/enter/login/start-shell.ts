import type { ByteString } from "../../../ffi/bytes.ts";
import { filterEnvironment } from "../../limited-shell/environment.ts";
import type { ChrootshSettings } from "../facts.ts";

/**
 * The argument vector of the shell: its full path (so it never takes itself for a login shell by a dash), then the
 * arguments of jk_chrootsh; with `injail_login_shell` nothing but --login.
 */
export function shellArguments(
  shell: ByteString,
  given: readonly ByteString[],
  loginShell: boolean,
): ByteString[] {
  return loginShell ? [shell, "--login"] : [shell, ...given.slice(1)];
}

/** Who logs in, for the variables that say so. */
interface LoginVariables {
  home: ByteString;
  name: ByteString;
  shell: ByteString;
}

/** _PATH_STDPATH of paths.h with the programs of the administrator's own: what a login has without sshd or a shell. */
const PATH = "/usr/local/bin:/usr/bin:/bin";

/**
 * The environment of the shell: what filterEnvironment leaves of the caller's, unless the settings have `env_only`; the
 * variables that they name, whatever these hold; PATH, where that gives none; and over them HOME, USER, USERNAME and
 * SHELL. Of several entries of one name the first counts, as for getenv(3).
 */
export function loginEnvironment(
  given: readonly ByteString[],
  { env, envOnly }: Pick<ChrootshSettings, "env" | "envOnly">,
  { home, name, shell }: LoginVariables,
): ByteString[] {
  const variables = envOnly ? new Map<ByteString, ByteString>() : filterEnvironment(given, []).variables;
  const named = new Set<ByteString>();
  for (const entry of given) {
    const equals = entry.indexOf("=");
    const key = entry.slice(0, Math.max(equals, 0));
    if (key === "" || !env.includes(key) || named.has(key)) continue;
    named.add(key);
    variables.set(key, entry.slice(equals + 1));
  }
  if (!envOnly && !variables.has("PATH")) variables.set("PATH", PATH);
  for (const [key, value] of [
    ["HOME", home],
    ["USER", name],
    ["USERNAME", name],
    ["SHELL", shell],
  ] as const) {
    variables.set(key, value);
  }
  const entries: ByteString[] = [];
  for (const [key, value] of variables) entries.push(`${key}=${value}`);
  return entries;
}
