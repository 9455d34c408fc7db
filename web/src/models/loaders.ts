/** Which node loads a file of a folder, and by which of its inputs. */
import type { NodeDefs } from "../graph";

export interface Loader {
  readonly type: string;
  readonly input: string;
}

const LOADERS: Readonly<Record<string, readonly (readonly [type: string, input: string])[]>> = {
  checkpoints: [["CheckpointLoaderSimple", "ckpt_name"]],
  loras: [["LoraLoader", "lora_name"]],
  controlnet: [["ControlNetLoader", "control_net_name"]],
  vae: [["VAELoader", "vae_name"]],
  diffusion_models: [["UNETLoader", "unet_name"]],
  text_encoders: [["CLIPLoader", "clip_name"]],
  clip_vision: [["CLIPVisionLoader", "clip_name"]],
  style_models: [["StyleModelLoader", "style_model_name"]],
  upscale_models: [["UpscaleModelLoader", "model_name"]],
  gligen: [["GLIGENLoader", "gligen_name"]],
  hypernetworks: [["HypernetworkLoader", "hypernetwork_name"]],
  photomaker: [["PhotoMakerLoader", "photomaker_model_name"]],
  audio_encoders: [["AudioEncoderLoader", "audio_encoder_name"]],
  model_patches: [["ModelPatchLoader", "name"]],
  diffusers: [["DiffusersLoader", "model_path"]],
};

/** The node for a folder; undefined if none here loads from it. */
export function loaderFor(defs: NodeDefs, folder: string): Loader | undefined {
  const known = LOADERS[folder]?.find(([type]) => defs.get(type));
  return known && { type: known[0], input: known[1] };
}
