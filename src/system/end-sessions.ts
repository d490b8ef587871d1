import { quoted } from "../cli/display.ts";
import { answered } from "../cli/error.ts";
import type { Remedy } from "../cli/remedy.ts";
import { hostUser } from "./name-services.ts";

/** The command that ends all processes of a user, for messages: what ends its logins comes before. */
export const endSessions = (uid: number): Remedy => `jailkit terminate-user --uid=${uid}`;

/** Who has a uid, for messages. */
export const uidText = (uid: number): string => quoted(answered(() => hostUser(uid)?.name) ?? `uid ${uid}`);
