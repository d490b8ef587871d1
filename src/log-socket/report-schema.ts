/** The report of jailkit log-sockets. */
import * as z from "zod";
import { enumOf, reportSchema, textOrNull } from "../cli/report-schema.ts";
import type { SocketSettings } from "./protocol.ts";

const countersSchema = z.strictObject({
  messages: z.int(),
  bytes: z.int(),
  pauses: z.int(),
  dropped: z.int(),
  droppedBytes: z.int(),
  cut: z.int(),
  connections: z.int(),
  paused: z.boolean(),
});

const socketSchema = z.strictObject({
  path: z.string(),
  jail: z.string(),
  type: z.enum(["datagram", "stream"]),
  trust: enumOf<SocketSettings["trust"]>({ kernel: true, sender: true }),
  base: z.int(),
  peak: z.int(),
  interval: z.number().describe("In seconds."),
  pid: z.int(),
  listening: z.boolean(),
  activated: z.boolean().describe("It came from the service manager."),
  connected: z.boolean().describe("Whether the log daemon of the host is there."),
  user: z.string().describe("The account of the relay."),
  warning: textOrNull,
  counters: countersSchema.nullable().describe("null where the relay did not answer."),
});

export const logSocketsReportSchema = reportSchema("jailkit log-sockets", {
  running: z.boolean().describe("Whether jk_socketd runs."),
  sockets: z.array(socketSchema),
}).describe("The log sockets that jk_socketd serves.");

/** What `jailkit log-sockets --json` prints. */
export type LogSocketsReport = z.infer<typeof logSocketsReportSchema>;
export type LogSocketReport = z.infer<typeof socketSchema>;
