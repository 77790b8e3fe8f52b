"""Tiny models that say random words about pictures, in the layout of published ones."""

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    BertTokenizerFast,
    BlipConfig,
    BlipForConditionalGeneration,
    BlipImageProcessorPil,
    CLIPImageProcessorPil,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)

SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
QUESTIONS = (
    "{% for m in messages %}{{ m['role'] }} : {% for part in m['content'] %}{% if part['type'] == 'image' %}<image> "
    "{% else %}{{ part['text'] }} {% endif %}{% endfor %}{% endfor %}{% if add_generation_prompt %}answer : {% endif %}"
)


def save_blip(folder: Path) -> Path:
    """A BLIP that says cat; its files are those of the published ones: no processor_config.json."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[DEC]", "cat", "dog", "walks", "a"]
    tokenizer = BertTokenizerFast(vocab={word: index for index, word in enumerate(words)})
    tokenizer.add_special_tokens({"additional_special_tokens": ["[DEC]"]})
    text = SMALL | {"vocab_size": 9, "bos_token_id": 4, "eos_token_id": 3, "sep_token_id": 3, "pad_token_id": 0}
    text |= {"encoder_hidden_size": 16}
    vision = SMALL | {"image_size": 16, "patch_size": 8}
    network = BlipForConditionalGeneration(BlipConfig(text_config=text, vision_config=vision, projection_dim=16))
    with torch.no_grad():
        network.text_decoder.cls.predictions.bias[5] = 50.0
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    BlipImageProcessorPil(size={"height": 16, "width": 16}).save_pretrained(folder)
    file = folder / "preprocessor_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"processor_class": "BlipProcessor"}))
    return folder


def save_llava(folder: Path) -> Path:
    """A LLaVA that is asked, with a chat template."""
    words = ["<pad>", "<unk>", "<s>", "</s>", "<image>", "user", "answer", ":", "cat", "dog", "walks", "what", "frames"]
    tokens = Tokenizer(models.WordLevel({word: index for index, word in enumerate(words)}, unk_token="<unk>"))
    tokens.pre_tokenizer = pre_tokenizers.WhitespaceSplit()  # pyright: ignore[reportAttributeAccessIssue]
    special = {"pad_token": "<pad>", "unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=tokens, additional_special_tokens=["<image>"], **special)
    pictures = CLIPImageProcessorPil(size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16})
    LlavaProcessor(
        pictures,
        tokenizer,
        patch_size=8,
        vision_feature_select_strategy="default",
        chat_template=QUESTIONS,
        num_additional_image_tokens=1,
    ).save_pretrained(folder)
    vision = SMALL | {"model_type": "clip_vision_model", "image_size": 16, "patch_size": 8, "projection_dim": 16}
    text = SMALL | {"model_type": "llama", "vocab_size": 13, "pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3}
    config = LlavaConfig(vision_config=vision, text_config=text, image_token_index=4, vision_feature_layer=-1)
    LlavaForConditionalGeneration(config).save_pretrained(folder)
    return folder
