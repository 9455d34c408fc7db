/** The camera and the microphone, while somebody wants them. */
import { t } from "../words";

/** @throws Error in words for people: no camera, no leave, another program has it. */
export async function openCamera(): Promise<MediaStream> {
  return open({ video: true });
}

export interface Recording {
  /** The sound; the microphone is off afterwards. */
  readonly stop: () => Promise<Blob>;
  /** Off, and nothing is kept. */
  readonly drop: () => void;
}

/** Hear from now on. @throws Error as `openCamera` does. */
export async function record(): Promise<Recording> {
  const stream = await open({ audio: true });
  const kind = ["audio/webm;codecs=opus", "audio/mp4"].find((one) => MediaRecorder.isTypeSupported(one));
  const recorder = new MediaRecorder(stream, kind === undefined ? {} : { mimeType: kind });
  const parts: Blob[] = [];
  recorder.addEventListener("dataavailable", ({ data }) => parts.push(data));
  recorder.start();
  const off = (): void => stream.getTracks().forEach((track) => track.stop());
  return {
    stop: () =>
      new Promise((finish) => {
        recorder.addEventListener("stop", () => {
          off();
          finish(new Blob(parts, { type: recorder.mimeType }));
        });
        recorder.stop();
      }),
    drop: off,
  };
}

async function open(wanted: MediaStreamConstraints): Promise<MediaStream> {
  // Pages that came over plain HTTP from another machine have no media devices at all.
  if (!("mediaDevices" in navigator)) throw new Error(t("nodes.device-insecure"));
  try {
    return await navigator.mediaDevices.getUserMedia(wanted);
  } catch (error) {
    const name = error instanceof DOMException ? error.name : "";
    if (name === "NotAllowedError") throw new Error(t("nodes.device-refused"), { cause: error });
    if (name === "NotFoundError") throw new Error(wanted.video ? t("nodes.no-camera") : t("nodes.no-microphone"), { cause: error });
    throw new Error(t("nodes.device-busy"), { cause: error });
  }
}

/** The size of a picture that is taken: 0 stands for what the camera gives, in its shape where the other side is asked for. */
export function sizeFor([wide, high]: readonly [number, number], [width, height]: readonly [number, number]): readonly [number, number] {
  if (width > 0 && height > 0) return [width, height];
  if (width > 0) return [width, Math.max(1, Math.round((width * high) / wide))];
  if (height > 0) return [Math.max(1, Math.round((height * wide) / high)), height];
  return [wide, high];
}
