import type { ByteString } from "../../ffi/bytes.ts";
import { display, quoted } from "../cli/display.ts";
import { answered } from "../cli/error.ts";
import type { IniFile } from "../config/model.ts";
import { readSocketdSection, socketdKeys } from "../config/schemas/socketd.ts";
import type { ManifestRequest } from "../jail/record/manifest.ts";
import type { JailSection } from "../jails/known.ts";
import { USUAL_LIMITS } from "../populate/apply/log-socket.ts";
import type { HostSources } from "../transfer/host.ts";
import { lostOnHost } from "../transfer/lost.ts";
import { SECTIONS_FILE } from "../transfer/sections.ts";

/** Where the settings of a jail are looked up. */
interface LostSources {
  readonly host: HostSources;
  /** Sections of jk_update.ini and jk_check.ini. */
  readonly settings: readonly JailSection[];
  /** The jk_lsh.ini of the jail. Throws JailkitError. */
  readonly policies: () => IniFile;
  /** The users of the jail. */
  readonly names: ReadonlySet<ByteString>;
}

const OPTIONS = ["copy-shell", "hardlink", "owner", "setuid"];

/** Options of the requests that filled a jail, and sections that are not of jk_init.ini though it has such a name, too. */
export function lostRequests(
  requests: readonly ManifestRequest[],
  known: ReadonlySet<ByteString>,
): readonly string[] {
  const used = OPTIONS.filter((name) => requests.some(({ options }) => options[name] === true));
  const others = requests.flatMap(({ sections, options: { configfile } }) =>
    typeof configfile !== "string" || configfile === SECTIONS_FILE
      ? []
      : sections.flatMap((name) =>
          known.has(name)
            ? `section ${quoted(name)} of ${display(configfile)}, in place of which that of jk_init.ini is declared`
            : [],
        ),
  );
  return [
    ...others,
    ...(used.length > 0 ? [`the options --${used.join(" and --")} of jk_init and jk_cp`] : []),
  ];
}

/** What else a jail has and a declaration cannot say: a printable line each. Throws JailkitError. */
export function lostSettings(jail: ByteString, { host, settings, policies, names }: LostSources): string[] {
  const files = settings.filter((one) => one.jail === jail).map(({ file }) => file);
  const shared = answered(policies)?.sections.filter(
    ({ name, entries }) => entries.length > 0 && !(names.has(name) && name !== "DEFAULT"),
  );
  return [
    ...lostLogSocket(jail, host),
    ...lostOnHost(jail, host),
    ...[...new Set(files)].map((file) => `its section in ${display(file)}`),
    ...(shared ?? []).map(({ name, file }) => `[${display(name)}] of ${display(file)}`),
  ];
}

/** Settings of the log socket that differ from those that apply would write. */
function lostLogSocket(jail: ByteString, host: HostSources): string[] {
  const section = host.logSocketOf(jail);
  if (section === undefined) return [];
  const values = readSocketdSection(section);
  const usual = { ...USUAL_LIMITS, type: socketdKeys.type.initial, trust: socketdKeys.trust.initial };
  const keys = (["base", "peak", "interval", "type", "trust"] as const).filter(
    (key) => values[key] !== usual[key],
  );
  if (keys.length === 0) return [];
  const shown = keys
    .map((key) => `${key} = ${values[key] === "dgram" ? "datagram" : values[key]}`)
    .join(", ");
  return [`${shown} of its log socket, in ${display(section.file)}`];
}
