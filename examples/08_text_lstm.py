"""8. Text: an LSTM that learns to write, character by character.

python examples/08_text_lstm.py                  # Python's own manual, as far as it comes with Python
python examples/08_text_lstm.py --text FILE      # any text

The loss is the mean over characters of -ln(probability of the right one); guessing costs ln(number of characters).
After ten epochs over 200,000 characters of the manual, where guessing costs 4.605:

    loss 1.58 (accuracy 0.567) on what it has read, 1.76 (0.566) on the next tenth of the manual
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import tilegrad as tg


def manual() -> str:
    """The pages that help("for"), help("lambda"), ... show: 600,000 characters that lie in the standard library."""
    from pydoc_data.topics import topics

    return "\n".join(text for _, text in sorted(topics.items()))


def main() -> None:
    """Train, write, save, load."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", metavar="FILE", help="what to learn from; by default Python's manual")
    parser.add_argument("--characters", type=int, default=200_000, help="how much of it")
    parser.add_argument("--seed", type=int, default=0, help="of the initial weights, the shuffles and the writing")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--steps", type=int, default=64, help="characters per sequence")
    parser.add_argument("--hidden", type=int, default=128)
    parser.add_argument("--temperature", type=float, default=0.6)
    parser.add_argument("--model", default="text_lstm.safetensors", help="where to save the model")
    parser.add_argument("--quick", action="store_true", help="20,000 characters, two epochs, 32 units")
    options = parser.parse_args()
    if options.quick:
        options.characters, options.epochs, options.hidden = 20_000, 2, 32
    tg.manual_seed(options.seed)

    text = Path(options.text).read_text(encoding="utf-8") if options.text else manual()
    text = text[: options.characters]
    model = tg.models.char_lstm("".join(sorted(set(text))), options.hidden)
    print(model.summary((options.steps,), dtype="int64"))
    kinds = len(model.vocabulary)
    print(f"{len(text):,} characters, {kinds} different: guessing costs {math.log(kinds):.3f}")

    # Sequences side by side; the target of every character is the next one.
    codes = model.encode(text)
    count = (len(codes) - 1) // options.steps
    inputs = codes[: count * options.steps].reshape(count, options.steps)
    targets = codes[1 : count * options.steps + 1].reshape(count, options.steps)
    held_out = max(1, count // 10)

    loader = tg.data.DataLoader(
        (inputs[:-held_out], targets[:-held_out]), options.batch_size, shuffle=True, seed=options.seed
    )
    schedule = tg.optim.schedules.OneCycle(1e-2, steps=options.epochs * len(loader))
    optimizer = tg.optim.Adam(model.parameters(), lr=schedule)
    trainer = tg.train.Trainer(model, tg.nn.CrossEntropyLoss(), optimizer, metrics=["accuracy"], capture=True)
    trainer.fit(loader, options.epochs, validation_data=(inputs[-held_out:], targets[-held_out:]), verbose=2)

    prompt = text[:1]
    written = model.generate(prompt, 400, options.temperature)
    print(f"\n{prompt}{written}\n")

    tg.save(model, options.model)
    tg.manual_seed(options.seed)
    again = tg.load(options.model).generate(prompt, 20)
    tg.manual_seed(options.seed)
    if again != model.generate(prompt, 20):
        raise SystemExit("the model changed on its way through the file")
    print(f"saved to {options.model}, loaded again: it writes the same")


if __name__ == "__main__":
    main()
