"""The parts of the small model: the words its tokenizer knows, how its autoencoder starts, what it is saved as."""

from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKLWan, WanPipeline

from syncam.training.small_model import (
    MAX_TOKENS,
    build_autoencoder,
    build_text_encoder,
    build_tokenizer,
    build_transformer,
    copy_model,
    save_pipeline,
)
from syncam.training.text_to_video import embed_text
from training.examples import CAPTIONS, CHANNELS, TRANSFORMER, VAE, tiny_autoencoder


def words(tokenizer: object, text: str) -> list[str]:
    ids = tokenizer(text).input_ids  # pyright: ignore
    return tokenizer.convert_ids_to_tokens(ids)  # pyright: ignore


def test_every_word_of_every_caption_is_known() -> None:
    tokenizer = build_tokenizer(CAPTIONS)
    for caption in CAPTIONS:
        tokens = words(tokenizer, caption)
        assert "<unk>" not in tokens
        assert tokens == [*caption.replace(",", " ,").split(), "</s>"]
    assert tokenizer.convert_tokens_to_ids(["<pad>", "</s>", "<unk>"]) == [0, 1, 2]
    assert len(tokenizer) == 3 + len({word for caption in CAPTIONS for word in caption.replace(",", " ,").split()})


def test_case_and_punctuation_do_not_matter_but_commas_do() -> None:
    tokenizer = build_tokenizer(CAPTIONS)
    plain = words(tokenizer, "a red horse walks on snow")
    assert words(tokenizer, "  A Red HORSE\nwalks (on) snow!. ") == plain
    assert words(tokenizer, "a red-horse walks; on 'snow'") == plain
    assert words(tokenizer, "a red horse, walks on snow") == [*plain[:3], ",", *plain[3:]]
    assert words(tokenizer, "a purple horse") == ["a", "<unk>", "horse", "</s>"]


def test_the_order_of_captions_does_not_matter() -> None:
    assert build_tokenizer(CAPTIONS).get_vocab() == build_tokenizer(CAPTIONS[::-1]).get_vocab()


def test_padding_and_truncation() -> None:
    tokenizer = build_tokenizer(CAPTIONS)
    assert tokenizer.model_max_length == MAX_TOKENS
    texts = ["", "a dog", "a dog " * 40]
    batch = tokenizer(texts, padding="max_length", truncation=True, return_tensors="pt")
    assert batch.input_ids.shape == (3, MAX_TOKENS)
    assert batch.attention_mask.sum(1).tolist() == [1, 3, MAX_TOKENS]
    assert batch.input_ids[0].tolist() == [1] + [0] * (MAX_TOKENS - 1)
    assert [int(batch.input_ids[row, count - 1]) for row, count in enumerate((1, 3, MAX_TOKENS))] == [1, 1, 1]


def test_tokenizers_survive_saving(tmp_path: Path) -> None:
    tokenizer = build_tokenizer(CAPTIONS)
    tokenizer.save_pretrained(tmp_path)
    loaded = type(tokenizer).from_pretrained(tmp_path)
    assert loaded.model_max_length == MAX_TOKENS
    for text in [*CAPTIONS, "", "A purple, cat!"]:
        assert loaded(text).input_ids == tokenizer(text).input_ids
    assert (loaded.pad_token, loaded.eos_token, loaded.unk_token) == ("<pad>", "</s>", "<unk>")


def test_embeddings_are_zero_behind_the_end_and_no_other_text_matters() -> None:
    tokenizer = build_tokenizer(CAPTIONS)
    encoder = build_text_encoder(len(tokenizer), seed=0)
    both = embed_text(tokenizer, encoder, ["a red horse", "a white cat runs"])
    assert both.shape == (2, MAX_TOKENS, encoder.config.d_model)
    assert not both[0, 4:].any() and not both[1, 5:].any()
    assert both[0, :4].any(1).all()
    torch.testing.assert_close(embed_text(tokenizer, encoder, ["a red horse"])[0], both[0])


@pytest.mark.parametrize("build", [build_text_encoder, build_transformer, build_autoencoder])
def test_equal_seeds_give_equal_weights(build: object) -> None:
    argument = {build_text_encoder: 20, build_transformer: TRANSFORMER, build_autoencoder: VAE}[build]
    state = torch.random.get_rng_state()
    one, same, other = (build(argument, seed=seed).state_dict() for seed in (3, 3, 4))  # pyright: ignore
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)


def test_a_new_autoencoder_passes_its_signal_on() -> None:
    vae = tiny_autoencoder()
    video = torch.rand(1, 3, 5, 32, 32) * 2 - 1
    posterior = vae.encode(video).latent_dist
    assert 0.2 < posterior.mean.std() < 5
    assert posterior.std.mean() < 0.3 * posterior.mean.std()
    moved = vae.encode(video + 0.1).latent_dist.mean - posterior.mean
    assert moved.abs().mean() > 1e-3


def test_copies_share_nothing() -> None:
    for model in (build_text_encoder(20, seed=0), tiny_autoencoder(), build_transformer(TRANSFORMER, seed=0)):
        copy = copy_model(model)
        assert type(copy) is type(model)
        theirs = dict(copy.named_parameters())
        for name, parameter in model.named_parameters():
            assert torch.equal(theirs[name], parameter) and theirs[name].data_ptr() != parameter.data_ptr()


def test_a_saved_pipeline_loads_and_embeds_text_as_training_did(base_folder: Path) -> None:
    pipeline = WanPipeline.from_pretrained(base_folder)
    tokenizer, encoder = pipeline.tokenizer, pipeline.text_encoder
    assert pipeline.scheduler.config.shift == 3.0
    texts = [*CAPTIONS, "", "A purple cat, walks"]
    theirs, _ = pipeline.encode_prompt(
        texts, do_classifier_free_guidance=False, max_sequence_length=tokenizer.model_max_length
    )
    torch.testing.assert_close(theirs, embed_text(tokenizer, encoder, texts), atol=1e-6, rtol=1e-5)
    fresh = build_text_encoder(len(tokenizer), seed=0)  # the weights that were saved
    torch.testing.assert_close(theirs, embed_text(tokenizer, fresh, texts), atol=1e-6, rtol=1e-5)


def test_saving_rounds_the_copy_and_not_the_models(tmp_path: Path, vae: AutoencoderKLWan) -> None:
    tokenizer = build_tokenizer(CAPTIONS)
    encoder = build_text_encoder(len(tokenizer), seed=0)
    transformer = build_transformer({"in_channels": CHANNELS, "out_channels": CHANNELS} | TRANSFORMER, seed=0)
    before = {name: value.clone() for name, value in transformer.state_dict().items()}
    save_pipeline(tmp_path, tokenizer=tokenizer, text_encoder=encoder, vae=vae, transformer=transformer, shift=5.0)
    after = transformer.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    loaded = WanPipeline.from_pretrained(tmp_path, dtype=torch.bfloat16)
    assert torch.equal(loaded.transformer.patch_embedding.weight, before["patch_embedding.weight"].bfloat16())
    assert loaded.vae.config.latents_mean == vae.config.latents_mean
    assert (
        sorted(path.suffix for path in tmp_path.rglob("*") if path.suffix in {".safetensors", ".bin"})
        == [".safetensors"] * 3
    )
