"""A language model learns sums spelt out: its perplexity beside the least possible, and what it writes.

The text is made here, so how well one can know its next character is known too. A small network and a minute less than
it would need: docs/models.md has what more gives. Run it with python docs/language_model.py.
"""

import math

import graphnn
from graphnn import models
from graphnn.data import NDArrayIter
from graphnn.data.text import decode, encode, entropy, load_text, rolling, sample
from graphnn.train import metric

EPOCHS, BATCH, LENGTH = 4, 20, 48

# Rows of 48 characters; the label of each character is the one after it.
data = load_text(t=LENGTH, rows=1200)
train = NDArrayIter(data.train_x, data.train_y, BATCH, shuffle=True)
test = NDArrayIter(data.test_x, data.test_y, BATCH)
print(repr(decode(data.train_x[0], data.classes)))

# Embedding, an LSTM of 96, a dense layer over the characters.
net = models.get("lstm-lm", len(data.classes), embedding=32, hidden=96, layers=1)
module = graphnn.Module(net, seed=1)
module.bind(train.provide_data, train.provide_label)
module.init_params()
module.init_optimizer(None, "adam", {"learning_rate": 0.01})

rows = [decode([*x, y[-1]], data.classes) for x, y in zip(data.test_x, data.test_y, strict=True)]
print(f"no model can have a perplexity under {math.exp(entropy(rows)):.3f}; guessing has {len(data.classes)}")
for epoch in range(EPOCHS):
    train.epoch = epoch
    perplexity = metric.create("perplexity")
    for batch in train:
        module.step(batch)
        module.update_metric(perplexity, batch.label)
    train.reset()
    ((_, value),) = module.score(test, metric.create("perplexity"))
    print(f"epoch {epoch + 1}: perplexity {perplexity.get()[1]:.3f}, of the test {value:.3f}")

# One row at a time, to write with: the probabilities (48, characters) of what follows each place.
writer = graphnn.Module(net)
writer.bind([("data", (1, LENGTH))], [("softmax_label", (1, LENGTH))], for_training=False)
writer.set_params(*module.get_params())
predict = rolling(lambda row: writer.predict(NDArrayIter(row, batch_size=1)), LENGTH)
for temperature in (0.5, 1.0):
    start = encode(" two plus ", data.classes)
    print(f"at {temperature}:", decode([*start, *sample(predict, start, 60, temperature, seed=1)], data.classes))
