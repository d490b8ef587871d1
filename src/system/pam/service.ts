import type { ByteString } from "../../../ffi/bytes.ts";
import { AT_FDCWD } from "../../../ffi/constants.ts";
import { statIfPresent } from "../../../ffi/files.ts";
import { hostNames, hostText } from "../host-files.ts";
import { type PamKind, type PamRule, pamRules } from "./rules.ts";

const LIBRARIES = ["/usr/lib", "/usr/lib64", "/lib", "/lib64"];

/** The text of a PAM service, by name or by path, found as in pam.conf(5); undefined if missing. */
export function serviceText(service: ByteString): ByteString | undefined {
  if (service.startsWith("/")) return hostText(service);
  return hostText(`/etc/pam.d/${service}`) ?? hostText(`/usr/lib/pam.d/${service}`);
}

/** The rules of one kind for a service: its own, or else those of the service "other". */
export function serviceRules(kind: PamKind, service: ByteString): PamRule[] {
  const own = pamRules(kind, service, serviceText);
  return own.length > 0 ? own : pamRules(kind, "other", serviceText);
}

let directories: ByteString[] | undefined;

/** True if PAM has a module of this name, in any directory that distributions use. */
export function hasModule(module: ByteString): boolean {
  directories ??= LIBRARIES.flatMap((library) => {
    const below = hostNames(library).filter((name) => name.includes("-linux-"));
    return ["", ...below.map((name) => `/${name}`)].map((name) => `${library}${name}/security`);
  });
  return directories.some((path) => statIfPresent(AT_FDCWD, `${path}/${module}`, true) !== undefined);
}
