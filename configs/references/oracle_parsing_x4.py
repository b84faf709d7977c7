# The ground truth F in place of the predicted one: rainrestore test oracle_parsing_x4 rainrestore://fcg_gan_x4
_base_ = '../fcg_gan_x4.py'

model = dict(type='OracleFCGGAN', oracle='parsing')
train_dataloader = train_cfg = optim_wrapper = None
