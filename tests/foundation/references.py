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


class Siglip:
    """A tiny ``SiglipModel`` with a tokenizer of a few words; ``version`` 1 or 2."""

    def __init__(self, version=1, vision=None, text=None):
        from transformers import SiglipConfig, SiglipModel

        sizes = {'hidden_size': 64, 'intermediate_size': 144, 'num_hidden_layers': 2,
                 'num_attention_heads': 2}  # fmt: skip
        config = SiglipConfig(
            text_config={**sizes, 'vocab_size': VOCAB, 'max_position_embeddings': CONTEXT,
                         **(text or {})},
            vision_config={**sizes, 'num_hidden_layers': 3, 'num_attention_heads': 4,
                           'image_size': 32, 'patch_size': 8, **(vision or {})},
        )  # fmt: skip
        self.version = version
        self.model = awaken(SiglipModel(config))

    def __call__(self, frames, tokens):
        vision = self.model.vision_model(pixel_values=frames, interpolate_pos_encoding=True)
        return vision.pooler_output, self.model.text_model(input_ids=tokens).pooler_output

    def save(self, folder):
        """Write what the publisher's folder holds: weights, three configs, the tokenizer."""
        self.model.save_pretrained(folder)
        image = {'image_processor_type': 'SiglipImageProcessor', 'do_resize': True,
                 'do_rescale': True, 'do_normalize': True, 'image_mean': [0.5] * 3,
                 'image_std': [0.5] * 3, 'resample': 3 if self.version == 1 else 2,
                 'size': {'height': 32, 'width': 32}}  # fmt: skip
        (folder / 'preprocessor_config.json').write_text(json.dumps(image))
        pad, end = ('</s>', '</s>') if self.version == 1 else ('<pad>', '<eos>')
        config = {'tokenizer_class': 'SiglipTokenizer' if self.version == 1 else 'GemmaTokenizer',
                  'pad_token': pad, 'eos_token': end}  # fmt: skip
        (folder / 'tokenizer_config.json').write_text(json.dumps(config))
        words_tokenizer(pad, end).save(str(folder / 'tokenizer.json'))
        return folder / 'model.safetensors'


def words_tokenizer(pad, end):
    """A tokenizer by whole words, with the end-of-text rule of the publisher's files."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    words = ['<unk>', *dict.fromkeys([pad, end]), 'a', 'video', 'of', 'swimming', 'c', 'c++', 'in']
    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, '<unk>'))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f'$A {end}', special_tokens=[(end, words.index(end))]
    )
    return tokenizer


class TimmTower:
    """OpenCLIP around a tiny image tower of timm, ``SigLIP`` or ``PerceptionEncoder``."""

    # What a config says of them by timm's name.
    TOWERS = {
        kind: {
            'width': 64, 'layers': 2, 'heads': 4, 'image_size': 32, 'patch_size': 8,
            'activation': 'gelu', 'norm_eps': eps, 'pooling': 'attention',
        }
        for kind, eps in (('SigLIP', 1e-6), ('PerceptionEncoder', 1e-5))
    }  # fmt: skip

    def __init__(self, kind, class_token=True):
        import timm
        from open_clip.transformer import TextTransformer

        own = kind == 'PerceptionEncoder'
        size = 'tiny_patch16_384' if class_token else 'gigantic_patch14_448'
        name = f'vit_pe_core_{size}' if own else 'vit_base_patch16_siglip_224'
        options = {'mlp_ratio': 2.5, 'ref_feat_shape': (4, 4)} if own else {}
        self.trunk = awaken(
            timm.create_model(
                name, num_classes=48 if own else 0, img_size=32, patch_size=8, embed_dim=64,
                depth=2, num_heads=4, **options,
            )
        )  # fmt: skip
        if own:
            self.trunk.head.bias.data.zero_()
        ends = {} if own else {'no_causal_mask': True, 'pool_type': 'last', 'proj_bias': True}
        self.text = awaken(
            TextTransformer(
                CONTEXT, VOCAB, 64, heads=2, layers=2, output_dim=48 if own else 64, **ends
            )
        )
        self.kind = kind

    def __call__(self, frames, tokens):
        images = self.trunk(frames)
        if self.kind == 'PerceptionEncoder':
            images = torch.nn.functional.normalize(images, dim=-1)
        return images, self.text(tokens)

    def state_dict(self):
        parts = {'visual.trunk.': self.trunk, 'text.': self.text}
        state = {p + k: v for p, module in parts.items() for k, v in module.state_dict().items()}
        state['logit_scale'] = torch.tensor(2.0)
        if self.kind == 'SigLIP':
            state['logit_bias'] = torch.tensor(-3.0)
        return state

    def save(self, folder):
        """Write weights, OpenCLIP's config, and SigLIP's tokenizer; the weights' path."""
        Siglip().save(folder)
        for name in ('model.safetensors', 'config.json', 'preprocessor_config.json'):
            (folder / name).unlink()
        text = {'context_length': CONTEXT, 'vocab_size': VOCAB, 'width': 64, 'heads': 2,
                'layers': 2}  # fmt: skip
        views = {**PREPROCESS, 'mean': [0.5] * 3, 'std': [0.5] * 3, 'resize_mode': 'squash'}
        if self.kind == 'SigLIP':
            text |= {'no_causal_mask': True, 'pool_type': 'last', 'proj_bias': True}
            text |= {'hf_tokenizer_name': 'x', 'tokenizer_kwargs': {'clean': 'canonicalize'}}
        else:
            views['interpolation'] = 'bilinear'
        model = {'embed_dim': 64 if self.kind == 'SigLIP' else 48, 'text_cfg': text,
                 'vision_cfg': {'timm_model_name': self.kind, 'timm_pool': 'map',
                                'image_size': 32}}  # fmt: skip
        config = json.dumps({'model_cfg': model, 'preprocess_cfg': views})
        (folder / 'open_clip_config.json').write_text(config)
        torch.save(self.state_dict(), folder / 'open_clip_pytorch_model.bin')
        return folder / 'open_clip_pytorch_model.bin'
