"""Each loss against a plain recomputation in numpy float64."""

import numpy as np
import pytest
import torch
from torch import Tensor

from rainrestore.errors import CheckpointError
from rainrestore.labels import LABEL_SHARES, NUM_LABELS
from rainrestore.models.losses import (
    ContrastiveLoss,
    CrossEntropyAdversarialLoss,
    FeatureMatchingLoss,
    HingeAdversarialLoss,
    LeastSquaresAdversarialLoss,
    LinearAdversarialLoss,
    MSELoss,
    ParsingCrossEntropyLoss,
    ParsingLoss,
    PerceptualLoss,
    RainParameterLoss,
    RainReconstructionLoss,
    RelativisticAdversarialLoss,
    VGG16Features,
    perceptual,
)
from rainrestore.physics import RainEstimate

GENERATOR = torch.Generator().manual_seed(7)


def rand(*shape: int) -> Tensor:
    return torch.rand(*shape, generator=GENERATOR)


def estimate() -> RainEstimate:
    return RainEstimate(rand(2, 3, 8, 8), rand(2, 3, 8, 8), rand(2, 1, 8, 8), rand(2, 3, 1, 1))


def array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().numpy().astype(np.float64)


def test_mse_equals_numpy() -> None:
    a, b = rand(2, 3, 8, 8), rand(2, 3, 8, 8)
    assert MSELoss(0.5)(a, b).item() == pytest.approx(0.5 * np.mean((array(a) - array(b)) ** 2), rel=1e-6)


def test_rain_reconstruction_equals_equation_19() -> None:
    guess, lr, rainy = estimate(), rand(2, 3, 8, 8), rand(2, 3, 8, 8)
    losses = RainReconstructionLoss(reconstruction_weight=2, loss_weight=3)(guess, lr, rainy)
    J, S, T, A = array(lr), array(guess.streak), array(guess.transmission), array(guess.airlight)
    again = T * (J + S) + (1 - T) * A
    assert losses['loss_lr'].item() == pytest.approx(3 * np.mean((array(guess.lr) - J) ** 2), rel=1e-6)
    assert losses['loss_rainy'].item() == pytest.approx(6 * np.mean((again - array(rainy)) ** 2), rel=1e-5)


def test_rain_reconstruction_takes_another_pixel_loss() -> None:
    """With mmagic's PSNRLoss, each term is the mean over the images of 10 log10 of the squared error."""
    pytest.importorskip('mmagic')
    guess, lr, rainy = estimate(), rand(2, 3, 8, 8), rand(2, 3, 8, 8)
    loss = RainReconstructionLoss(2, pixel_loss=dict(type='mmagic.PSNRLoss', loss_weight=0.1))
    losses = loss(guess, lr, rainy)
    J, S, T, A = array(lr), array(guess.streak), array(guess.transmission), array(guess.airlight)
    for name, error, factor in (
        ('loss_lr', array(guess.lr) - J, 0.1),
        ('loss_rainy', T * (J + S) + (1 - T) * A - array(rainy), 0.2),
    ):
        expected = factor * np.mean(10 * np.log10(np.mean(error**2, axis=(1, 2, 3))))
        assert losses[name].item() == pytest.approx(expected, rel=1e-5)


def test_rain_reconstruction_has_gradients_for_s_t_and_a_only() -> None:
    """Eq. 19 contains the true J, so S, T and A get a gradient and the derained image gets none."""
    guess = RainEstimate(*(value.requires_grad_() for value in estimate()))
    RainReconstructionLoss()(guess, rand(2, 3, 8, 8), rand(2, 3, 8, 8))['loss_rainy'].backward()
    assert guess.lr.grad is None
    assert all(value.grad.abs().sum() > 0 for value in guess[1:])


def test_rain_reconstruction_has_a_trivial_solution() -> None:
    """T = 0, A = I makes the second term exactly zero for any S. The output heads of the network have to exclude it."""
    rainy = rand(2, 3, 8, 8)
    trivial = RainEstimate(rand(2, 3, 8, 8), rand(2, 3, 8, 8), torch.zeros(2, 1, 8, 8), rainy)
    assert RainReconstructionLoss()(trivial, rand(2, 3, 8, 8), rainy)['loss_rainy'] == 0


def test_reconstruction_term_can_be_switched_off() -> None:
    assert set(RainReconstructionLoss(reconstruction_weight=0)(estimate(), rand(2, 3, 8, 8), rand(2, 3, 8, 8))) == {
        'loss_lr'
    }


def test_rain_parameter_loss_equals_numpy() -> None:
    guess = estimate()
    truth = {'streak': rand(2, 3, 8, 8), 'transmission': rand(2, 1, 8, 8), 'airlight': rand(2, 3, 1, 1)}
    losses = RainParameterLoss(streak=2, transmission=0, airlight=1)(guess, **truth)
    assert set(losses) == {'loss_streak', 'loss_airlight'}
    wanted = 2 * np.mean((array(guess.streak) - array(truth['streak'])) ** 2)
    assert losses['loss_streak'].item() == pytest.approx(wanted, rel=1e-6)


def test_transmission_gradient_loss_depends_on_the_error() -> None:
    guess = estimate()
    truth = {'streak': guess.streak, 'transmission': rand(2, 1, 8, 8), 'airlight': guess.airlight}
    losses = RainParameterLoss(transmission=0, transmission_gradient=0.5)(guess, **truth)
    T, again = array(truth['transmission']), array(guess.transmission)
    wanted = sum(np.abs(np.diff(again, axis=axis) - np.diff(T, axis=axis)).mean() for axis in (2, 3))
    assert losses['loss_transmission_gradient'].item() == pytest.approx(0.5 * wanted, rel=1e-5)
    assert 'loss_transmission_gradient' not in RainParameterLoss()(guess, **truth)


def test_parsing_loss_counts_only_annotated_channels() -> None:
    prediction, target = rand(2, 5, 4, 4), rand(2, 5, 4, 4)
    annotated = torch.tensor([[True, True, False, False, True], [True, False, False, False, False]])
    squares = [
        ((array(prediction) - array(target))[n, c] ** 2).mean() for n in range(2) for c in range(5) if annotated[n, c]
    ]
    assert ParsingLoss()(prediction, target, annotated).item() == pytest.approx(np.mean(squares), rel=1e-5)
    assert ParsingLoss()(prediction, target, torch.zeros_like(annotated)).item() == 0


def test_parsing_cross_entropy_equals_numpy_over_annotated_channels() -> None:
    prediction, target = rand(2, 5, 4, 4).softmax(1), rand(2, 5, 4, 4)
    annotated = torch.tensor([[True, True, False, False, True], [True, False, False, True, False]])
    losses = []
    for n in range(2):
        known = annotated[n].numpy()
        p, t = array(prediction)[n, known], array(target)[n, known]
        losses.append(-(t * np.log(p / p.sum(0))).sum(0))
    loss = ParsingCrossEntropyLoss(0.5)
    assert loss(prediction, target, annotated).item() == pytest.approx(0.5 * np.mean(losses), rel=1e-5)


def test_parsing_cross_entropy_is_minimal_at_the_truth_and_always_finite() -> None:
    target = rand(1, 4, 3, 3).softmax(1)
    annotated = torch.ones(1, 4, dtype=torch.bool)
    loss = ParsingCrossEntropyLoss()
    entropy = -(target * target.log()).sum(1).mean()
    assert loss(target, target, annotated).item() == pytest.approx(entropy.item(), rel=1e-5)
    assert loss((target + 0.1) / 1.4, target, annotated) > entropy
    wrong = torch.zeros_like(target)
    wrong[:, 0] = 1
    assert loss(wrong.requires_grad_(), target, annotated).isfinite()


def test_parsing_weights_follow_the_label_shares() -> None:
    shares = [0.6, 0.3, 0.1, 0.0]
    weights = 1 / np.sqrt(np.array(shares) + 1e-3)
    weights /= (weights * shares).sum()
    prediction, target = rand(2, 4, 4, 4).softmax(1), rand(2, 4, 4, 4).softmax(1)
    annotated = torch.ones(2, 4, dtype=torch.bool)
    weighted = weights[:, None, None] * array(prediction)
    shares_of_weighted = weighted / weighted.sum(1, keepdims=True)
    expected = -(weights[None, :, None, None] * array(target) * np.log(shares_of_weighted)).sum(1).mean()
    loss = ParsingCrossEntropyLoss(label_shares=shares)
    assert loss(prediction, target, annotated).item() == pytest.approx(expected, rel=1e-5)
    assert not loss.state_dict()


def test_weighted_parsing_loss_is_minimal_at_the_ground_truth() -> None:
    shares = [0.7, 0.2, 0.1]
    target = torch.tensor([0.5, 0.3, 0.2]).view(1, 3, 1, 1)
    annotated = torch.ones(1, 3, dtype=torch.bool)
    loss = ParsingCrossEntropyLoss(label_shares=shares)
    logits = torch.zeros(1, 3, 1, 1, requires_grad=True)
    optimizer = torch.optim.LBFGS([logits], lr=1, max_iter=100, tolerance_grad=1e-8, line_search_fn='strong_wolfe')

    def closure() -> Tensor:
        optimizer.zero_grad()
        value = loss(logits.softmax(1), target, annotated)
        value.backward()
        return value

    optimizer.step(closure)
    torch.testing.assert_close(logits.softmax(1), target, atol=1e-3, rtol=0)


def test_parsing_cross_entropy_ignores_faces_without_masks() -> None:
    prediction, target = rand(2, 4, 4, 4).softmax(1), rand(2, 4, 4, 4).softmax(1)
    loss = ParsingCrossEntropyLoss()
    annotated = torch.ones(2, 4, dtype=torch.bool)
    alone = loss(prediction[:1], target[:1], annotated[:1])
    annotated[1] = False
    assert loss(prediction, target, annotated).item() == pytest.approx(alone.item(), rel=1e-6)
    assert loss(prediction, target, torch.zeros_like(annotated)).item() == 0


@pytest.mark.parametrize('shares', [[0.5, -0.1], [1.5, 0.1], [0.0, 0.0]])
def test_invalid_label_shares_are_refused(shares: list[float]) -> None:
    with pytest.raises(ValueError, match='label_shares'):
        ParsingCrossEntropyLoss(label_shares=shares)


def test_label_shares_of_a_known_data_set_have_a_name() -> None:
    shares = LABEL_SHARES['celebamask_hq']
    assert len(shares) == NUM_LABELS and sum(shares) == pytest.approx(1, abs=1e-5)
    named, given = (ParsingCrossEntropyLoss(label_shares=each).weights for each in ('celebamask_hq', shares))
    assert torch.equal(named, given)
    # the eyes, 0.4 % of the pixels, have ten times the weight of the background
    assert named[4] / named[0] == pytest.approx(((shares[0] + 1e-3) / (shares[4] + 1e-3)) ** 0.5, rel=1e-5)
    with pytest.raises(ValueError, match=r"one of .'celebamask_hq'., got 'ffhq'"):
        ParsingCrossEntropyLoss(label_shares='ffhq')


def test_linear_adversarial_losses_equal_numpy() -> None:
    real, fake = torch.tensor([2.0, -1.0]), torch.tensor([0.5, 3.0])
    loss = LinearAdversarialLoss(1e-3)

    def probability(logits: Tensor) -> np.ndarray:
        return 1 / (1 + np.exp(-array(logits)))

    assert loss.generator_loss(fake).item() == pytest.approx(1e-3 * np.mean(1 - probability(fake)), rel=1e-6)
    wanted = np.mean(1 - probability(real) + probability(fake))
    assert loss.discriminator_loss(real, fake).item() == pytest.approx(wanted, rel=1e-6)
    assert loss.slope(fake).item() == pytest.approx(np.mean(probability(fake) * (1 - probability(fake))), rel=1e-6)


@pytest.mark.parametrize('shape', [(4,), (2, 1, 3, 5)])
def test_cross_entropy_adversarial_losses_equal_the_2014_paper(shape: tuple[int, ...]) -> None:
    """For one logit for each image and for one logit for each patch."""
    real, fake = (6 * rand(*shape) - 3 for _ in range(2))
    on_true, on_restored = (1 / (1 + np.exp(-array(logits))) for logits in (real, fake))
    loss = CrossEntropyAdversarialLoss(0.01)
    assert loss.generator_loss(fake).item() == pytest.approx(-0.01 * np.mean(np.log(on_restored)), rel=1e-5)
    wanted = -(np.mean(np.log(on_true)) + np.mean(np.log(1 - on_restored))) / 2
    assert loss.discriminator_loss(real, fake).item() == pytest.approx(wanted, rel=1e-5)
    assert loss.slope(fake).item() == pytest.approx(np.mean(1 - on_restored), rel=1e-5)


def test_smoothed_labels_penalise_a_certain_discriminator() -> None:
    loss = CrossEntropyAdversarialLoss(real_label=0.9, fake_label=0.1)
    real, fake = 6 * rand(4, 1, 3, 3) - 3, 6 * rand(4, 1, 3, 3) - 3
    on_true, on_restored = (1 / (1 + np.exp(-array(logits))) for logits in (real, fake))
    wanted = -np.mean(0.9 * np.log(on_true) + 0.1 * np.log(1 - on_true))
    wanted -= np.mean(0.1 * np.log(on_restored) + 0.9 * np.log(1 - on_restored))
    assert loss.discriminator_loss(real, fake).item() == pytest.approx(wanted / 2, rel=1e-5)
    # minimal if D equals the label, not if D is certain
    at_label, certain = torch.full((1,), float(np.log(9))), torch.full((1,), 30.0)
    assert loss.discriminator_loss(at_label, -at_label) < loss.discriminator_loss(certain, -certain)
    # the loss of the generator does not use the labels
    assert loss.generator_loss(fake) == CrossEntropyAdversarialLoss().generator_loss(fake)


def test_labels_flip_for_whole_images_with_the_given_probability() -> None:
    torch.manual_seed(0)
    sure = torch.full((20_000, 1, 2, 2), 10.0)
    loss = CrossEntropyAdversarialLoss(flip=0.1)
    # a wrong label costs 10, a correct one 0; true and restored images have half of the loss each
    assert loss.discriminator_loss(sure, -sure).item() == pytest.approx(0.1 * 10, rel=0.05)
    errors = [loss.discriminator_loss(sure[:1], -sure[:1]).item() for _ in range(200)]
    assert {round(error) for error in errors} == {0, 5, 10}


@pytest.mark.parametrize('options', [dict(real_label=1.1), dict(fake_label=-0.1), dict(flip=0.5), dict(real_label=0)])
def test_invalid_labels_are_refused(options: dict) -> None:
    with pytest.raises(ValueError, match=r'label|flip'):
        CrossEntropyAdversarialLoss(**options)


def test_cross_entropy_slope_equals_the_gradient_of_the_generator() -> None:
    loss = CrossEntropyAdversarialLoss(1.0)
    for value in (-60.0, 0.0, 3.0):
        logits = torch.full((5,), value, requires_grad=True)
        loss.generator_loss(logits).backward()
        assert logits.grad.abs().sum().item() == pytest.approx(loss.slope(logits).item(), rel=1e-5)
    with torch.autocast('cpu', torch.bfloat16):
        sure = torch.tensor([60.0]).bfloat16()
        assert loss.discriminator_loss(sure, -sure).item() == pytest.approx(0, abs=1e-6)
        assert torch.isfinite(loss.discriminator_loss(-sure, sure))


@pytest.mark.parametrize('shape', [(4,), (2, 1, 3, 5)])
def test_hinge_and_least_squares_losses_equal_numpy(shape: tuple[int, ...]) -> None:
    real, fake = (6 * rand(*shape) - 3 for _ in range(2))
    on_true, on_restored = array(real), array(fake)
    hinge, squares = HingeAdversarialLoss(0.5), LeastSquaresAdversarialLoss(0.5)
    assert hinge.generator_loss(fake).item() == pytest.approx(-0.5 * np.mean(on_restored), rel=1e-5)
    wanted = np.mean(np.where(on_true < 1, 1 - on_true, 0)) + np.mean(np.where(on_restored > -1, 1 + on_restored, 0))
    assert hinge.discriminator_loss(real, fake).item() == pytest.approx(wanted, rel=1e-5)
    assert squares.generator_loss(fake).item() == pytest.approx(0.5 * np.mean((on_restored - 1) ** 2), rel=1e-5)
    wanted = (np.mean((on_true - 1) ** 2) + np.mean(on_restored**2)) / 2
    assert squares.discriminator_loss(real, fake).item() == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize('loss', [HingeAdversarialLoss(1.0), LeastSquaresAdversarialLoss(1.0)])
def test_slope_equals_the_gradient_of_the_generator(loss: HingeAdversarialLoss) -> None:
    for value in (-2.0, 0.5, 1.0, 30.0):
        logits = torch.full((5,), value, requires_grad=True)
        loss.generator_loss(logits).backward()
        assert logits.grad.abs().sum().item() == pytest.approx(loss.slope(logits).item(), abs=1e-6)


def test_feature_matching_ignores_logits_and_has_no_truth_gradient() -> None:
    fake, real = ([[rand(2, 4, 6, 6), rand(2, 8, 3, 3), rand(2, 1, 3, 3)], [rand(2, 4, 3, 3), rand(2, 1, 2, 2)]]
                  for _ in range(2))  # fmt: skip
    for image in (layer for scale in (*fake, *real) for layer in scale):
        image.requires_grad_()
    loss = FeatureMatchingLoss(10)(fake, real)
    first = sum(np.mean(np.abs(array(fake[0][i]) - array(real[0][i]))) for i in range(2))
    second = np.mean(np.abs(array(fake[1][0]) - array(real[1][0])))
    assert loss.item() == pytest.approx(10 * (first + second) / 2, rel=1e-5)
    loss.backward()
    assert fake[0][-1].grad is None
    assert all(layer.grad is None for scale in real for layer in scale)
    assert fake[1][0].grad.abs().sum() > 0


def test_contrastive_loss_is_a_ratio_of_distances() -> None:
    """Recomputed for the mean of the two images; 0 at the ground truth, large at the degraded image."""
    truth, degraded = rand(2, 3, 16, 16), rand(2, 3, 16, 16)
    loss = ContrastiveLoss(layers=('relu1_1', 'relu2_1'), weights=(0.5, 1.0), loss_weight=2.0)
    features = [loss.vgg(image) for image in (truth, degraded, (truth + degraded) / 2)]
    clean, bad, between = ({key: array(value) for key, value in feature.items()} for feature in features)
    wanted = sum(
        weight * np.mean(np.abs(between[key] - clean[key])) / np.mean(np.abs(between[key] - bad[key]))
        for key, weight in (('relu1_1', 0.5), ('relu2_1', 1.0))
    )
    image = ((truth + degraded) / 2).requires_grad_()
    value = loss(image, truth, degraded)
    assert value.item() == pytest.approx(2 * wanted, rel=1e-4)
    value.backward()
    assert image.grad.abs().sum() > 0
    assert loss(truth, truth, degraded).item() == 0
    assert loss(degraded, truth, degraded).item() > 100
    other_order = ContrastiveLoss(layers=('relu2_1', 'relu1_1'), weights=(1.0, 0.5), loss_weight=2.0)
    assert other_order(image, truth, degraded).item() == pytest.approx(value.item())
    assert not loss.state_dict()
    loss.load_state_dict({})
    with pytest.raises(ValueError, match='2 layers need as many weights, got 1'):
        ContrastiveLoss(layers=('relu1_1', 'relu2_1'), weights=(1.0,))


def test_linear_adversarial_gradients_survive_bfloat16() -> None:
    """sigmoid(7) is exactly 1 in bfloat16, so its gradient would be 0."""
    assert torch.tensor(7.0).bfloat16().sigmoid() == 1
    logits = torch.tensor([7.0], requires_grad=True)
    with torch.autocast('cpu', torch.bfloat16):
        LinearAdversarialLoss(1.0).generator_loss(logits).backward()
    assert logits.grad.item() == pytest.approx(-np.exp(-7) / (1 + np.exp(-7)) ** 2, rel=1e-4)


def relativistic_by_hand(real: np.ndarray, fake: np.ndarray) -> tuple[float, float, np.ndarray]:
    """ESRGAN's generator and discriminator losses in float64, and the gradient of the former for the fake logits."""

    def sigmoid(x: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-x))

    real_over_fake, fake_over_real = sigmoid(real - fake.mean()), sigmoid(fake - real.mean())
    generator = -np.log(fake_over_real).mean() - np.log(1 - real_over_fake).mean()
    discriminator = -np.log(real_over_fake).mean() - np.log(1 - fake_over_real).mean()
    # each fake logit is in its own comparison and in the mean that every real logit is compared with
    gradient = -(1 - fake_over_real) / len(fake) - real_over_fake.mean() / len(fake)
    return generator, discriminator, gradient


def test_relativistic_adversarial_losses_equal_numpy() -> None:
    real, fake = torch.tensor([2.0, -1.0, 0.5]), torch.tensor([0.5, 3.0, -2.0], requires_grad=True)
    generator, discriminator, gradient = relativistic_by_hand(array(real), array(fake))
    loss = RelativisticAdversarialLoss(1e-3)
    value = loss.generator_loss(fake, real)
    value.backward()
    assert value.item() == pytest.approx(1e-3 * generator, rel=1e-6)
    np.testing.assert_allclose(array(fake.grad), 1e-3 * gradient, rtol=1e-5)
    assert loss.discriminator_loss(real, fake).item() == pytest.approx(discriminator, rel=1e-6)


def test_relativistic_losses_do_not_depend_on_a_common_offset() -> None:
    real, fake = rand(4), rand(4)
    loss = RelativisticAdversarialLoss()
    shifted = loss.discriminator_loss(real + 3, fake + 3)
    torch.testing.assert_close(shifted, loss.discriminator_loss(real, fake))


def test_relativistic_losses_do_not_saturate_for_a_certain_discriminator() -> None:
    real, fake = torch.full((2,), 200.0), torch.full((2,), -200.0).requires_grad_()
    loss = RelativisticAdversarialLoss(1.0)
    with torch.autocast('cpu', torch.bfloat16):
        loss.generator_loss(fake.bfloat16(), real.bfloat16()).backward()
    np.testing.assert_allclose(array(fake.grad), -1)  # 2 comparisons, each with 2 faces
    assert loss.slope(fake - real.mean()) == 1
    assert loss.slope(real - fake.mean()) == 0
    relative = torch.tensor([0.5, 3.0])
    assert loss.slope(relative).item() == pytest.approx(np.mean(1 - 1 / (1 + np.exp(-array(relative)))), rel=1e-6)


def vgg_by_hand(image: np.ndarray) -> dict[str, np.ndarray]:
    """VGG16 to relu3_3 in float64, written with explicit sums over the 3x3 window."""
    weights = {key: value.double().numpy() for key, value in perceptual._bundled_weights().items()}
    mean, std = (np.array(v).reshape(3, 1, 1) for v in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
    x = (image - mean) / std
    features: dict[str, np.ndarray] = {}
    names = ['relu1_1', 'relu1_2', 'M', 'relu2_1', 'relu2_2', 'M', 'relu3_1', 'relu3_2', 'relu3_3']
    index = 0
    for name in names:
        if name == 'M':
            c, h, w = x.shape
            x = x.reshape(c, h // 2, 2, w // 2, 2).max((2, 4))
            index += 1
            continue
        padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
        h, w = x.shape[1:]
        kernel, bias = weights[f'{index}.weight'], weights[f'{index}.bias']
        x = sum(
            np.einsum('oc,chw->ohw', kernel[:, :, i, j], padded[:, i : i + h, j : j + w])
            for i in range(3)
            for j in range(3)
        )
        x = features[name] = np.maximum(x + bias[:, None, None], 0)
        index += 2
    return features


def test_perceptual_loss_equals_vgg_computed_by_hand() -> None:
    a, b = rand(1, 3, 16, 16), rand(1, 3, 16, 16)
    ours, theirs = (vgg_by_hand(array(x[0])) for x in (a, b))
    wanted = sum(np.mean((ours[tap] - theirs[tap]) ** 2) for tap in ('relu1_1', 'relu2_2', 'relu3_3'))
    assert PerceptualLoss(loss_weight=1e-3)(a, b).item() == pytest.approx(1e-3 * wanted, rel=1e-4)


def test_bundled_vgg_has_imagenet_weights() -> None:
    """The first layer of a network trained on ImageNet responds to edges and not to flat grey."""
    features = VGG16Features(('relu1_1',))
    flat, edge = torch.full((1, 3, 32, 32), 0.5), torch.full((1, 3, 32, 32), 0.2)
    edge[..., 16:] = 0.8
    inner = (slice(None), slice(None), slice(4, -4), slice(4, -4))
    spread = [features(x)['relu1_1'][inner].std((2, 3)).sum() for x in (flat, edge)]
    assert spread[0] < 1e-3
    assert spread[1] > 1


def test_mean_square_in_bfloat16_is_computed_in_single_precision() -> None:
    x, y = rand(3, 4, 16, 16).double().requires_grad_(), rand(3, 4, 16, 16).double()
    assert torch.autograd.gradcheck(perceptual.MeanSquare.apply, (x, y))
    half, other = rand(3, 4, 16, 16).bfloat16().requires_grad_(), rand(3, 4, 16, 16).bfloat16()
    loss = perceptual.MeanSquare.apply(half, other)
    loss.backward()
    exact = half.detach().double() - other.double()
    assert loss.item() == pytest.approx(exact.square().mean().item(), rel=1e-3)
    # bfloat16 has 8 significant bits: the difference and the gradient are rounded once each
    torch.testing.assert_close(half.grad.double(), 2 * exact / exact.numel(), rtol=2**-7, atol=0)


def test_perceptual_gradient_reaches_the_prediction_only() -> None:
    a, b = rand(1, 3, 16, 16).requires_grad_(), rand(1, 3, 16, 16).requires_grad_()
    loss = PerceptualLoss()
    loss(a, b).backward()
    assert a.grad.abs().sum() > 0
    assert b.grad is None
    assert all(p.grad is None and not p.requires_grad for p in loss.parameters())


def test_checkpoints_do_not_contain_vgg() -> None:
    loss = PerceptualLoss()
    assert not loss.state_dict()
    loss.load_state_dict({})
    assert not loss.train().vgg.training


def test_vgg_layers_and_sources_are_checked() -> None:
    with pytest.raises(ValueError, match=r"unknown VGG layers.*'relu9_9'"):
        PerceptualLoss(layers=('relu9_9',))
    with pytest.raises(ValueError, match="'bundled' or 'torchvision', got 'web'"):
        PerceptualLoss(weights='web')


def test_damaged_vgg_is_refused(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    damaged = tmp_path / 'vgg.safetensors'
    damaged.write_bytes(perceptual.BUNDLED_VGG.read_bytes()[:-1] + b'x')
    monkeypatch.setattr(perceptual, 'BUNDLED_VGG', damaged)
    with pytest.raises(CheckpointError, match='sha256 differs'):
        PerceptualLoss()
    monkeypatch.setattr(perceptual, 'BUNDLED_VGG', tmp_path / 'none.safetensors')
    with pytest.raises(CheckpointError, match=r'none\.safetensors is missing'):
        PerceptualLoss()
