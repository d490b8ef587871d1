import type { ByteString } from "../../../ffi/bytes.ts";
import { filterEnvironment } from "../../limited-shell/environment.ts";
import type { ChrootshSettings } from "../facts.ts";

/**
 * The argument vector of the shell: its full path, without the dash of a login shell, then the arguments of jk_chrootsh;
 * with `injail_login_shell` only --login.
 */
export function shellArguments(
  shell: ByteString,
  given: readonly ByteString[],
  loginShell: boolean,
): ByteString[] {
  return loginShell ? [shell, "--login"] : [shell, ...given.slice(1)];
}

/** The values of variables about the user. */
interface LoginVariables {
  home: ByteString;
  name: ByteString;
  shell: ByteString;
}

/** _PATH_STDPATH of paths.h with /usr/local/bin: the PATH of a login that sshd gave none. */
const PATH = "/usr/local/bin:/usr/bin:/bin";

/**
 * The environment of the shell: the caller's, filtered, unless the settings have `env_only`; the variables that the
 * settings name, with any value; PATH, if it is missing; and HOME, USER, USERNAME and SHELL, which replace the caller's. Of
 * several entries with one name the first counts, as for getenv(3).
 */
export function loginEnvironment(
  given: readonly ByteString[],
  { env, envOnly }: Pick<ChrootshSettings, "env" | "envOnly">,
  { home, name, shell }: LoginVariables,
): ByteString[] {
  const variables = envOnly ? new Map<ByteString, ByteString>() : filterEnvironment(given, []);
  const named = new Set<ByteString>();
  for (const entry of given) {
    const equals = entry.indexOf("=");
    const key = entry.slice(0, Math.max(equals, 0));
    if (key === "" || !env.includes(key) || named.has(key)) continue;
    named.add(key);
    variables.set(key, entry.slice(equals + 1));
  }
  if (!envOnly && !variables.has("PATH")) variables.set("PATH", PATH);
  variables.set("HOME", home).set("USER", name).set("USERNAME", name).set("SHELL", shell);
  const entries: ByteString[] = [];
  for (const [key, value] of variables) entries.push(`${key}=${value}`);
  return entries;
}
