# fcg_gan_plus_x4, fifth part: from the fourth part's weights (load_from), the PSNR as a loss and no weight decay.
_base_ = 'fcg_gan_plus_fourth_x4.py'

model = dict(pixel_loss=dict(_delete_=True, type='mmagic.PSNRLoss', loss_weight=1e-3))
optim_wrapper = dict(generator=dict(optimizer=dict(weight_decay=0)))
