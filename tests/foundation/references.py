"""Random tiny models of the reference libraries, saved as their publishers save them."""

import json

import torch

from projects.msta import compat

compat.apply()  # the reference libraries import torchvision

VOCAB, CONTEXT = 300, 12
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
PREPROCESS = {
    'size': 32, 'mode': 'RGB', 'mean': list(CLIP_MEAN), 'std': list(CLIP_STD),
    'interpolation': 'bicubic', 'resize_mode': 'shortest', 'fill_color': 0,
}  # fmt: skip


def worst(ours, theirs):
    assert ours.shape == theirs.shape
    return (ours - theirs).abs().max().item()


def random_images(size=32, frames=3):
    return torch.randn(2, 3, frames, size, size, generator=torch.Generator().manual_seed(1))


def random_tokens(vocab=VOCAB, length=CONTEXT):
    generator = torch.Generator().manual_seed(2)
    tokens = torch.zeros(5, length, dtype=torch.int64)
    for row, size in enumerate((3, length, 4, 7, length - 1)):
        tokens[row, : size - 1] = torch.randint(1, vocab - 1, (size - 1,), generator=generator)
        tokens[row, size - 1] = vocab - 1
    return tokens


def differences(ours, theirs):
    """Worst differences of clip and text embeddings to the reference's: ``(video, text)``."""
    ours = ours.eval()
    video, tokens = random_images(), random_tokens()
    frames = video.transpose(1, 2).flatten(0, 1)
    with torch.no_grad():
        images, texts = theirs(frames, tokens)
        by_frame = images.unflatten(0, (2, 3)).mean(1)
        return worst(ours.encode_video(video), by_frame), worst(ours.encode_text(tokens), texts)


def awaken(model):
    """Weights so far from 0 that activations, heads and epsilons differ in what they give."""
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(std=2 * parameter.shape[-1] ** -0.5)
            elif parameter.ndim == 1:
                parameter.add_(0.2 * torch.randn_like(parameter))
    return model.eval()


class OpenCLIP:
    """A tiny OpenCLIP model; ``vision``, ``text`` and ``top`` change its config."""

    def __init__(self, vision=None, text=None, **top):
        import open_clip

        self.config = {
            'embed_dim': 48,
            'vision_cfg': {
                'image_size': 32, 'patch_size': 8, 'width': 128, 'layers': 3, **(vision or {})
            },
            'text_cfg': {
                'context_length': CONTEXT, 'vocab_size': VOCAB, 'width': 64, 'heads': 1,
                'layers': 2, **(text or {}),
            },
            **top,
        }  # fmt: skip
        built = dict(self.config)
        kind = open_clip.CustomTextCLIP if built.pop('custom_text', False) else open_clip.CLIP
        self.model = awaken(kind(**built))

    def __call__(self, frames, tokens):
        return self.model.encode_image(frames), self.model.encode_text(tokens)

    def save(self, folder, form='open_clip_pytorch_model.bin', config=True, preprocess=PREPROCESS):
        """Write weights, and beside them what ``push_to_hf_hub`` writes; the weights' path."""
        path = folder / form
        if path.suffix == '.safetensors':
            from safetensors.torch import save_file

            save_file({k: v.contiguous() for k, v in self.model.state_dict().items()}, path)
        else:
            torch.save(self.model.state_dict(), path)
        if config:
            content = {'model_cfg': self.config}
            if preprocess is not None:
                content['preprocess_cfg'] = preprocess
            (folder / 'open_clip_config.json').write_text(json.dumps(content))
        return path


class HuggingFace:
    """A tiny ``CLIPModel``; ``vision`` and ``text`` change its config."""

    def __init__(self, vision=None, text=None):
        from transformers import CLIPConfig, CLIPModel

        config = CLIPConfig(
            text_config={
                'vocab_size': VOCAB, 'hidden_size': 64, 'intermediate_size': 256,
                'projection_dim': 48, 'num_hidden_layers': 2, 'num_attention_heads': 2,
                'max_position_embeddings': CONTEXT, 'eos_token_id': VOCAB - 1, 'bos_token_id': 0,
                'pad_token_id': 1, **(text or {}),
            },
            vision_config={
                'hidden_size': 128, 'intermediate_size': 512, 'projection_dim': 48,
                'image_size': 32, 'patch_size': 8, 'num_hidden_layers': 3,
                'num_attention_heads': 4, **(vision or {}),
            },
            projection_dim=48,
        )  # fmt: skip
        self.model = awaken(CLIPModel(config))

    def __call__(self, frames, tokens):
        vision = self.model.vision_model(pixel_values=frames).pooler_output
        # Without an attention mask: padding comes after the end of text, under a causal mask.
        text = self.model.text_model(input_ids=tokens).pooler_output
        return self.model.visual_projection(vision), self.model.text_projection(text)

    def save(self, folder, form='model.safetensors'):
        """Write weights, model, image and tokenizer configs as transformers does."""
        from transformers import CLIPImageProcessor

        self.model.save_pretrained(folder)
        if form != 'model.safetensors':
            (folder / 'model.safetensors').unlink()
            torch.save(self.model.state_dict(), folder / form)
        side = {'height': 32, 'width': 32}
        CLIPImageProcessor(size={'shortest_edge': 32}, crop_size=side).save_pretrained(folder)
        tokenizer = {'tokenizer_class': 'CLIPTokenizer'}
        (folder / 'tokenizer_config.json').write_text(json.dumps(tokenizer))
        return folder / form
