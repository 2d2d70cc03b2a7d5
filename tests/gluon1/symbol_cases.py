"""Blocks that are called with symbols, here and in real MXNet 1.9.1: both evaluate these expressions.

Names: ``mx``, ``nn``, ``rnn``, ``loss``, ``contrib``, the classes below, the variables ``a`` to ``e``.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json

LAYERS = {
    "dense": "nn.Dense(3, activation='relu')(a)",
    "dense_known": "nn.Dense(3, use_bias=False, flatten=False, in_units=4, prefix='out_')(a)",
    "dense_init": "nn.Dense(3, weight_initializer=mx.init.Xavier(), dtype='float64')(a)",
    "dense_normal": "nn.Dense(3, weight_initializer='normal', bias_initializer=mx.init.One())(a)",
    "dropout": "nn.Dropout(0.5, axes=(1,))(a)",
    "dropout_0": "nn.Dropout(0)(a)",
    "embedding": "nn.Embedding(5, 3)(a)",
    "embedding_sparse": "nn.Embedding(5, 3, dtype='float16', sparse_grad=True)(a)",
    "flatten": "nn.Flatten()(a)",
    "lambda_name": "nn.HybridLambda('tanh')(a)",
    "lambda": "nn.HybridLambda(lambda F, x, y: F.broadcast_add(F.relu(x), y))(a, b)",
    "batch_norm": "nn.BatchNorm()(a)",
    "batch_norm_more": "nn.BatchNorm(axis=3, momentum=0.8, epsilon=1e-3, center=False, scale=False, "
    "use_global_stats=True, in_channels=4)(a)",
    "batch_norm_relu": "nn.BatchNormReLU()(a)",
    "sync_batch_norm": "contrib.nn.SyncBatchNorm(num_devices=2)(a)",
    "layer_norm": "nn.LayerNorm()(a)",
    "layer_norm_more": "nn.LayerNorm(axis=1, epsilon=1e-3, center=False, scale=False)(a)",
    "group_norm": "nn.GroupNorm()(a)",
    "group_norm_more": "nn.GroupNorm(2, epsilon=1e-3, scale=False)(a)",
    "instance_norm": "nn.InstanceNorm()(a)",
    "instance_norm_last": "nn.InstanceNorm(axis=2, epsilon=1e-3, scale=True)(a)",
    "leaky_relu": "nn.LeakyReLU(0.1)(a)",
    "prelu": "nn.PReLU()(a)",
    "elu": "nn.ELU(0.7)(a)",
    "selu": "nn.SELU()(a)",
    "gelu": "nn.GELU()(a)",
    "swish": "nn.Swish(2.0)(a)",
    "activation": "nn.Activation('softrelu')(a)",
    "conv1d": "nn.Conv1D(4, 3)(a)",
    "conv2d": "nn.Conv2D(4, (3, 2), (2, 1), 1, 2, groups=2, activation='sigmoid', in_channels=4)(a)",
    "conv2d_plain": "nn.Conv2D(4, 3, use_bias=False)(a)",
    "conv2d_nhwc": "nn.Conv2D(4, 3, layout='NHWC')(a)",
    "conv3d": "nn.Conv3D(4, 3)(a)",
    "deconv1d": "nn.Conv1DTranspose(4, 3, output_padding=1, strides=2)(a)",
    "deconv2d": "nn.Conv2DTranspose(4, 3, use_bias=False, activation='tanh')(a)",
    "deconv3d": "nn.Conv3DTranspose(4, 3)(a)",
    "max_pool1d": "nn.MaxPool1D()(a)",
    "max_pool2d": "nn.MaxPool2D((3, 2), 2, 1, ceil_mode=True)(a)",
    "max_pool3d": "nn.MaxPool3D(layout='NCDHW')(a)",
    "avg_pool1d": "nn.AvgPool1D(count_include_pad=False)(a)",
    "avg_pool2d": "nn.AvgPool2D(3, 1, (1, 0))(a)",
    "avg_pool3d": "nn.AvgPool3D()(a)",
    "global_max1d": "nn.GlobalMaxPool1D()(a)",
    "global_max2d": "nn.GlobalMaxPool2D(layout='NHWC')(a)",
    "global_max3d": "nn.GlobalMaxPool3D()(a)",
    "global_avg1d": "nn.GlobalAvgPool1D()(a)",
    "global_avg2d": "nn.GlobalAvgPool2D()(a)",
    "global_avg3d": "nn.GlobalAvgPool3D()(a)",
    "reflection_pad": "nn.ReflectionPad2D(2)(a)",
    "shuffle1d": "contrib.nn.PixelShuffle1D(2)(a)",
    "shuffle2d": "contrib.nn.PixelShuffle2D((2, 3))(a)",
    "shuffle3d": "contrib.nn.PixelShuffle3D((2, 3, 4))(a)",
    "identity": "contrib.nn.Identity()(a)",
    "concurrent": "built(contrib.nn.HybridConcurrent(axis=1), nn.Dense(2), nn.Flatten())(a)",
    "deformable": "contrib.cnn.DeformableConvolution(4, (3, 3), padding=(1, 1))(a)",
    "deformable_plain": "contrib.cnn.DeformableConvolution(4, (3, 3), use_bias=False, "
    "offset_use_bias=False, activation='relu')(a)",
    "modulated": "contrib.cnn.ModulatedDeformableConvolution(4, (3, 3), num_deformable_group=2)(a)",
}

BLOCKS = {
    "sequential": "built(nn.HybridSequential(), nn.Dense(3, activation='relu'), nn.Dense(2))(a)",
    "sequential_scope": "scoped(nn.HybridSequential(prefix='net_'), lambda: [nn.Conv2D(3, 3), "
    "nn.BatchNorm(), nn.Activation('relu'), nn.Flatten(), nn.Dense(2)])(a)",
    "sequential_plain": "built(nn.Sequential(), nn.Dense(3), nn.Activation('relu'))(a)",
    "sequential_slice": "scoped(nn.HybridSequential(), lambda: [nn.Dense(4), nn.Dense(3), "
    "nn.ELU()])[1:](a)",
    "twice": "(lambda net: (net(a), net(b)))(nn.Dense(2))",
    "units": "Units(3)(a)",
    "units_known": "Units(3, prefix='u_')(mx.sym.var('x', shape=(2, 4)))",
    "of_operators": "Units(3)(mx.sym.relu(a) + b)",
    "masked": "Masked(4, activation='tanh')(a)",
    "masked_plain": "Masked(4, use_bias=False)(a)",
    "several": "Several()(a, [b, [c]])",
    "empty_prefix": "scoped(nn.HybridSequential(prefix=''), lambda: [nn.Dense(2), Units(2)])(a)",
    "prefix_manager": "managed(lambda: nn.Dense(2)(mx.sym.relu(a)))",
    "name_scope": "within(nn.HybridSequential(prefix='net_'), lambda: mx.sym.relu(a))",
    "shared": "(lambda d: nn.Dense(3, params=d.params)(d(a)))(nn.Dense(3))",
    "multipliers": "multiplied(nn.Dense(3), lr_mult=2.0, wd_mult=0)(a)",
    "float16": "multiplied(nn.Dense(3), dtype='float16')(a)",
    "attributes": "attributed(lambda: Units(2)(a), ctx_group='first')",
    "symbol_block": "mx.gluon.SymbolBlock(mx.sym.relu(mx.sym.FullyConnected(a, num_hidden=3, "
    "name='fc'), name='r'), a)(mx.sym.exp(b))",
    "symbol_block_several": "mx.gluon.SymbolBlock([mx.sym.relu(a, name='r'), mx.sym.tanh(b, name='t')]"
    ", [a, b])(c, d)",
    "symbol_block_of_net": "part_of(built(nn.HybridSequential(), nn.Dense(3), nn.Dense(2)))(b)",
    "numpy": "numpy_arrays(lambda: built(nn.HybridSequential(), nn.Dense(3), nn.Dropout(0.5), "
    "nn.BatchNorm())(a.as_np_ndarray()))",
}

LOSSES = {
    "l2": "loss.L2Loss()(a, b)",
    "l2_weights": "loss.L2Loss(weight=2.0, batch_axis=1)(a, b, c)",
    "l1": "loss.L1Loss()(a, b)",
    "l1_weights": "loss.L1Loss(weight=0.5)(a, b, c)",
    "sigmoid": "loss.SigmoidBCELoss()(a, b)",
    "sigmoid_weights": "loss.SigmoidBCELoss()(a, b, c, d)",
    "sigmoid_done": "loss.SigmoidBCELoss(from_sigmoid=True)(a, b)",
    "sigmoid_done_weights": "loss.SigmoidBCELoss(from_sigmoid=True)(a, b, c, d)",
    "softmax": "loss.SoftmaxCELoss()(a, b)",
    "softmax_dense": "loss.SoftmaxCELoss(axis=1, sparse_label=False, from_logits=True, weight=2)"
    "(a, b, c)",
    "kl": "loss.KLDivLoss()(a, b)",
    "kl_logits": "loss.KLDivLoss(from_logits=False, axis=1)(a, b, c)",
    "ctc": "loss.CTCLoss()(a, b)",
    "ctc_lengths": "loss.CTCLoss(layout='TNC', label_layout='TN', weight=2)(a, b, c, d, e)",
    "huber": "loss.HuberLoss(rho=2)(a, b)",
    "hinge": "loss.HingeLoss()(a, b, c)",
    "squared_hinge": "loss.SquaredHingeLoss(margin=2)(a, b)",
    "logistic": "loss.LogisticLoss()(a, b)",
    "logistic_binary": "loss.LogisticLoss(label_format='binary')(a, b, c)",
    "triplet": "loss.TripletLoss(weight=2)(a, b, c)",
    "poisson": "loss.PoissonNLLLoss()(a, b)",
    "poisson_weights": "loss.PoissonNLLLoss(weight=2, from_logits=False)(a, b, c)",
    "cosine": "loss.CosineEmbeddingLoss(margin=0.5)(a, b, c)",
    "own": "OwnLoss(0.5, 0)(a, b)",
}

RECURRENT = {
    "rnn": "rnn.RNN(3)(a)",
    "rnn_tanh": "rnn.RNN(3, 2, 'tanh', 'NTC', dropout=0.5)(a)",
    "lstm": "rnn.LSTM(3, 2, bidirectional=True, input_size=4)(a, [b, c])",
    "lstm_projected": "rnn.LSTM(3, projection_size=2, state_clip_min=-1, state_clip_max=1)(a)",
    "gru": "rnn.GRU(3, layout='NTC')(a, b)",
    "rnn_cell": "rnn.RNNCell(3)(a, [b])",
    "rnn_cell_relu": "rnn.RNNCell(3, activation='relu', prefix='r_')(a, [b])",
    "lstm_cell": "rnn.LSTMCell(3)(a, [b, c])",
    "lstm_cell_hard": "rnn.LSTMCell(3, activation='relu', recurrent_activation='softsign')(a, [b, c])",
    "gru_cell": "rnn.GRUCell(3, input_size=2)(a, [b])",
    "lstmp_cell": "contrib.rnn.LSTMPCell(3, 2)(a, [b, c])",
    "unroll": "rnn.LSTMCell(3).unroll(2, a)",
    "unroll_merged": "rnn.GRUCell(3).unroll(3, a, layout='TNC', merge_outputs=True)",
    "unroll_list": "rnn.RNNCell(3).unroll(2, [a, b], merge_outputs=True)",
    "unroll_lengths": "rnn.RNNCell(3).unroll(2, a, [b], valid_length=c)",
    "unroll_twice": "(lambda cell: (cell.unroll(2, a), cell.unroll(1, b)))(rnn.GRUCell(2))",
    "chain": "built(rnn.HybridSequentialRNNCell(), rnn.LSTMCell(2), rnn.DropoutCell(0.5), "
    "rnn.GRUCell(3)).unroll(2, a)",
    "chain_step": "built(rnn.SequentialRNNCell(), rnn.RNNCell(2), rnn.GRUCell(3))(a, [b, c])",
    "zoneout": "rnn.ZoneoutCell(rnn.RNNCell(2), 0.5, 0.3).unroll(2, a)",
    "residual": "rnn.ResidualCell(rnn.GRUCell(2)).unroll(2, a)",
    "residual_step": "rnn.ResidualCell(rnn.GRUCell(2))(a, [b])",
    "bidirectional": "rnn.BidirectionalCell(rnn.LSTMCell(2, prefix='l_'), rnn.LSTMCell(2, prefix='r_'))"
    ".unroll(2, a)",
    "bidirectional_merged": "rnn.BidirectionalCell(rnn.RNNCell(2, prefix='l_'), rnn.GRUCell(2, "
    "prefix='r_'), output_prefix='o_').unroll(2, a, merge_outputs=True)",
    "bidirectional_lengths": "rnn.BidirectionalCell(rnn.RNNCell(2, prefix='l_'), rnn.RNNCell(2, "
    "prefix='r_')).unroll(2, a, valid_length=b)",
    "vardrop": "contrib.rnn.VariationalDropoutCell(rnn.LSTMCell(2), 0.1, 0.2, 0.3).unroll(2, a)",
    "conv_rnn": "contrib.rnn.Conv1DRNNCell((2, 8), 3, 3, 3)(a, [b])",
    "conv_lstm": "contrib.rnn.Conv2DLSTMCell((2, 8, 8), 3, 3, 3, i2h_pad=1)(a, [b, c])",
    "conv_gru": "contrib.rnn.Conv3DGRUCell((2, 4, 4, 4), 3, 3, 3)(a, [b])",
    "begin_state": "rnn.LSTMCell(3).begin_state(func=mx.sym.zeros, batch_size=2)",
    "layer_begin_state": "rnn.GRU(3).begin_state(func=mx.sym.zeros, batch_size=2)",
}

CASES = {
    f"{kind}/{name}": code
    for kind, table in [("layer", LAYERS), ("block", BLOCKS), ("loss", LOSSES), ("rnn", RECURRENT)]
    for name, code in table.items()
}

#: arguments of ``mx.viz.print_summary``
SUMMARIES = {
    "net": "vision.squeezenet1_1()(a), {'a': (1, 3, 224, 224)}",
    "shortcuts": "vision.resnet18_v1()(a), {'a': (1, 3, 64, 64)}, 100, [0.3, 0.6, 0.75, 1.0]",
    "without_shapes": "built(nn.HybridSequential(), nn.Dense(3), nn.BatchNorm(), "
    "nn.Dense(2, use_bias=False))(a)",
    "embedding": "mx.sym.Embedding(a, input_dim=10, output_dim=4), {'a': (2, 3)}, 90",
    "groups": "mx.sym.Convolution(a, kernel=(3, 3), num_filter=4, num_group=2, no_bias=True), "
    "{'a': (1, 4, 8, 8)}, 80, [20, 40, 60, 80]",
}

ZOO = [
    "alexnet", "densenet121", "densenet161", "densenet169", "densenet201", "inception_v3",
    "mobilenet0_25", "mobilenet0_5", "mobilenet0_75", "mobilenet1_0", "mobilenet_v2_0_25",
    "mobilenet_v2_0_5", "mobilenet_v2_0_75", "mobilenet_v2_1_0", "resnet101_v1", "resnet101_v2",
    "resnet152_v1", "resnet152_v2", "resnet18_v1", "resnet18_v2", "resnet34_v1", "resnet34_v2",
    "resnet50_v1", "resnet50_v2", "squeezenet1_0", "squeezenet1_1", "vgg11", "vgg11_bn", "vgg13",
    "vgg13_bn", "vgg16", "vgg16_bn", "vgg19", "vgg19_bn",
]  # fmt: skip


def names_for(mx):
    """Return what the expressions may use."""
    gluon, nn = mx.gluon, mx.gluon.nn

    class Units(gluon.HybridBlock):
        def __init__(self, units, **kwargs):
            super().__init__(**kwargs)
            with self.name_scope():
                self.scale = self.params.get("scale", shape=(units,), init="ones")
                self.dense = nn.Dense(units)
                self.norm = nn.BatchNorm()

        def hybrid_forward(self, F, x, scale):
            y = F.broadcast_mul(self.dense(x), scale)
            return F.Activation(self.norm(y) + y, act_type="relu")

    class Masked(nn.Dense):
        def hybrid_forward(self, F, x, weight, bias=None):
            return super().hybrid_forward(F, x, weight=F.relu(weight), bias=bias)

    class Several(gluon.HybridBlock):
        def hybrid_forward(self, F, x, others):
            y, (z,) = others
            return [F.exp(x), (y * z, F.log(x, name="l"))]

    class OwnLoss(gluon.loss.Loss):
        def hybrid_forward(self, F, pred, label):
            return F.mean((pred - label) * self._weight, axis=self._batch_axis, exclude=True)

    def built(container, *blocks):
        for block in blocks:
            container.add(block)
        return container

    def scoped(container, make):
        with container.name_scope():
            return built(container, *make())

    def managed(make):
        with mx.name.Prefix("p_"):
            return make()

    def within(block, make):
        with block.name_scope():
            return make()

    def attributed(make, **attrs):
        with mx.AttrScope(**attrs):
            return make()

    def multiplied(block, **values):
        for name, value in values.items():
            block.collect_params().setattr(name, value)
        return block

    def part_of(net):
        data = mx.sym.var("data")
        whole = net(data)
        inner = whole.get_internals()[net[0].name + "_fwd_output"]
        return gluon.SymbolBlock([inner, whole], [data], params=net.collect_params())

    def numpy_arrays(make):
        mx.npx.set_np()
        try:
            return make()
        finally:
            mx.npx.reset_np()

    return {
        "mx": mx, "nn": nn, "rnn": gluon.rnn, "loss": gluon.loss, "contrib": gluon.contrib,
        **{name: mx.sym.var(name) for name in "abcde"}, **locals(),
    }  # fmt: skip


def _flat(found):
    if isinstance(found, (list, tuple)):
        return [leaf for item in found for leaf in _flat(item)]
    return [found]


def _as_tuples(attrs):
    """Deformable convolutions of MXNet state some shapes as lists."""
    for key in ("__shape__", "shape"):
        if attrs.get(key, "").startswith("["):
            attrs[key] = "(" + attrs[key][1:-1] + ")"
    return attrs


def describe(mx, code):
    """Evaluate an expression: what the file of its symbol says, and the names that it has."""
    with mx.name.NameManager():
        outs = _flat(eval(code, names_for(mx)))
        group = mx.sym.Group(outs) if len(outs) > 1 else outs[0]
        file = json.loads(group.tojson())
        file = {k: file[k] for k in ("nodes", "arg_nodes", "heads")}
        for node in file["nodes"]:
            _as_tuples(node.get("attrs", {}))
        attrs = {name: _as_tuples(found) for name, found in group.attr_dict().items()}
        return {"file": file, "attrs": attrs, "outputs": group.list_outputs(),
                "internals": group.get_internals().list_outputs()}  # fmt: skip


def summary(mx, code):
    """What ``mx.viz.print_summary`` prints."""
    out = io.StringIO()
    with mx.name.NameManager(), contextlib.redirect_stdout(out):
        names = {**names_for(mx), "vision": mx.gluon.model_zoo.vision}
        mx.viz.print_summary(*eval(f"({code},)", names))
    return out.getvalue().splitlines()


def digest(mx, model):
    """Numbers of nodes, and a hash of everything that `describe` says, of a model of the zoo."""
    found = describe(mx, f"mx.gluon.model_zoo.vision.{model}()(mx.sym.var('data'))")
    text = json.dumps(found, sort_keys=True)
    return {"nodes": len(found["file"]["nodes"]), "internals": len(found["internals"]),
            "sha256": hashlib.sha256(text.encode()).hexdigest()}  # fmt: skip
